// <gt-rows>: the products of a sum as a table, strongest first or sorted by any column.

import { View, button, fill, h, write } from "gradtrail/view/dom.js";
import { Line } from "gradtrail/view/line.js";
import { count } from "gradtrail/words/number.js";

const STRONGEST = { by: "size", down: true };

export class RowsView extends View {
  static of(model) {
    const made = super.of(model, { lines: [] });
    made.head = h("thead");
    made.body = h("tbody");
    made.scroll = h(
      "div.scroll",
      { tabindex: "0", role: "region" },
      h("table.rows", {}, made.head, made.body),
    );
    made.note = h("p.soft");
    made.append(made.scroll, made.note);
    return made;
  }

  /**
   * @param terms the sum
   * @param {number} most how many rows are shown
   */
  show(terms, most) {
    Object.assign(this, { terms, most, sorted: STRONGEST });
    this.draw();
  }

  draw() {
    const { terms, model } = this;
    const { words } = model;
    const rows = this.chosen();
    const scaled = rows.some((row) => row.scale !== 1);
    const columns = [...(terms.layers.length > 1 ? ["layer"] : []), ...terms.moving];
    this.arrange(columns, scaled);
    const limit = rows.reduce((most, row) => Math.max(most, Math.abs(row.product) || 0), 0);
    this.lines = rows.map((row, place) => {
      const held = this.lines[place];
      const line =
        held?.factors.length === row.factors.length
          ? held
          : new Line(model, columns, row.factors.length, scaled);
      line.show(row, terms.magnitude, limit);
      return line;
    });
    fill(this.body, ...this.lines.map(({ element }) => element));
    this.scroll.setAttribute("aria-label", words.products);
    write(
      this.note,
      rows.length < terms.length ? words.shownOf(count(rows.length), count(terms.length)) : "",
    );
  }

  /** The table's head; where it is another one, the lines are made anew. */
  arrange(columns, scaled) {
    const { words } = this.model;
    const form = JSON.stringify([columns, scaled, this.sorted, this.model.options.language]);
    if (form === this.form) return;
    this.form = form;
    this.lines = [];
    const heads = columns.map((name) => this.sorting(name, name === "layer" ? words.layer : name));
    const scale = scaled ? h("th", { scope: "col" }, words.scale) : "";
    const factors = h("th", { scope: "col" }, words.factors);
    this.head.replaceChildren(h("tr", {}, ...heads, factors, scale, this.sorting("size", words.product)));
  }

  sorting(key, name) {
    const { by, down } = this.sorted;
    const state = by === key ? (down ? "descending" : "ascending") : "none";
    const mark = by === key ? (down ? " ▾" : " ▴") : "";
    const link = button("button.link", () => this.sort(key), name + mark, { "data-key": `sort ${key}` });
    return h("th", { scope: "col", "aria-sort": state }, link);
  }

  sort(key) {
    const { by, down } = this.sorted;
    this.sorted = { by: key, down: by === key ? !down : key === "size" };
    this.draw();
    this.querySelector(`[data-key="sort ${CSS.escape(key)}"]`)?.focus();
  }

  /** The rows to show: the strongest ones, or the first by an index. */
  chosen() {
    const { terms, most, sorted } = this;
    if (sorted.by === "size" && sorted.down) return terms.top(most);
    const numbers = [...terms.order].reverse();
    if (sorted.by === "size") return numbers.slice(0, most).map((number_) => terms.row(number_));
    const key = (row) =>
      sorted.by === "layer" ? terms.layers.indexOf(row.layer) : (row.indices[sorted.by] ?? -1);
    const every = Array.from({ length: terms.length }, (_, at) => terms.row(at));
    const sign = sorted.down ? -1 : 1;
    return every.sort((a, b) => sign * (key(a) - key(b)) || a.number - b.number).slice(0, most);
  }
}

customElements.define("gt-rows", RowsView);
