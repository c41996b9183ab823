// <gt-rows>: the products of a sum as a table, strongest first or sorted by any column.

import { h } from "gradtrail/view/dom.js";
import { css } from "gradtrail/view/colour.js";
import { written } from "gradtrail/step/step.js";
import { count, number, percent } from "gradtrail/words/number.js";

export class RowsView extends HTMLElement {
  /**
   * @param model the page's
   * @param terms the sum
   * @param {number} most how many rows are shown
   */
  static of(model, terms, most) {
    return Object.assign(document.createElement("gt-rows"), { model, terms, most });
  }

  connectedCallback() {
    if (this.firstChild) return;
    this.sorted = { by: "size", down: true };
    this.draw();
  }

  draw() {
    const { terms, model } = this;
    const { words } = model;
    const rows = this.chosen();
    const several = terms.layers.length > 1;
    const scales = rows.some((row) => row.scale !== 1);
    this.columns = [...(several ? ["layer"] : []), ...terms.moving];
    const head = h(
      "tr",
      {},
      ...this.columns.map((name) => this.head(name, name === "layer" ? words.layer : name)),
      h("th", { scope: "col" }, words.factors),
      scales ? h("th", { scope: "col" }, words.scale) : "",
      this.head("size", words.product),
    );
    const limit = rows.reduce((most, row) => Math.max(most, Math.abs(row.product) || 0), 0);
    const body = rows.map((row) => this.line(row, scales, limit));
    const note =
      rows.length < terms.length
        ? h("p.soft", {}, words.shownOf(count(rows.length), count(terms.length)))
        : "";
    const table = h("table.rows", {}, h("thead", {}, head), h("tbody", {}, ...body));
    this.replaceChildren(
      h("div.scroll", { tabindex: "0", role: "region", "aria-label": words.products }, table),
      note,
    );
  }

  head(key, name) {
    const { by, down } = this.sorted;
    const state = by === key ? (down ? "descending" : "ascending") : "none";
    const mark = by === key ? (down ? " ▾" : " ▴") : "";
    return h(
      "th",
      { scope: "col", "aria-sort": state },
      h(
        "button.link",
        { type: "button", "data-key": `sort ${key}`, onclick: () => this.sort(key) },
        name + mark,
      ),
    );
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

  line(row, scales, limit) {
    const share = this.terms.magnitude ? row.product / this.terms.magnitude : 0;
    const product = h("td.number", { title: percent(share) }, number(row.product + 0));
    product.style.setProperty("--share", limit ? `${(100 * Math.abs(row.product)) / limit}%` : "0%");
    product.style.setProperty("--tint", css(row.product, limit));
    return h(
      "tr",
      { "data-row": row.number },
      ...this.columns.map((name) =>
        h("td.number", {}, name === "layer" ? row.layer : String(row.indices[name] ?? "")),
      ),
      h(
        "td.factors",
        {},
        ...row.factors.flatMap((factor, place) =>
          place ? [" · ", this.factor(factor)] : [this.factor(factor)],
        ),
      ),
      scales ? h("td.number", {}, number(row.scale)) : "",
      product,
    );
  }

  /** A factor with its number; following it leads to where it came from. */
  factor({ letter, side, name, index, stored, value, called }) {
    const cell = { side, name, index };
    const place = index.length ? `[${index.join(",")}]` : "";
    const held = `${letter}${place}`;
    const label =
      called === ""
        ? held
        : called === "[·]"
          ? `[${held} = ${number(stored)}]`
          : `${called}(${held} = ${number(stored)})`;
    const link = h(
      "button.link",
      {
        type: "button",
        title: written(side, name, index),
        "data-element": written(side, name, index),
        onclick: () => this.model.follow(cell),
      },
      label,
    );
    return h("span.factor", {}, link, ` ${number(value + 0)}`);
  }
}

customElements.define("gt-rows", RowsView);
