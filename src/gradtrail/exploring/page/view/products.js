// <gt-products>: the products of one sum: where they lie, and in tabs each of them or their partial sums.

import { View, button, fill, h } from "gradtrail/view/dom.js";
import { RowsView } from "gradtrail/view/rows.js";
import { SharesView } from "gradtrail/view/shares.js";

export class ProductsView extends View {
  static of(model) {
    const [rows, shares, picture] = [RowsView.of(model), SharesView.of(model), SharesView.of(model)];
    const made = super.of(model, { tab: "rows", rows, shares, picture });
    made.tablist = h("div.tabs", { role: "tablist" });
    made.panel = h("div.panel", { role: "tabpanel", id: "tab-panel" });
    made.append(made.picture, made.tablist, made.panel);
    return made;
  }

  /**
   * @param terms the sum
   * @param {number} most how many of its products are listed
   */
  show(terms, most) {
    Object.assign(this, { terms, most });
    const ways = SharesView.ways(terms);
    const tabs = ["rows", ...ways.map(({ key }) => key)];
    if (!tabs.includes(this.tab)) this.tab = tabs.includes("position") ? "position" : "rows";
    this.offer(tabs);
    const way = ways.find(({ key }) => key === this.tab);
    if (way) this.shares.show(terms, way);
    else this.rows.show(terms, most);
    fill(this.panel, way ? this.shares : this.rows);
    const places = this.tab === "rows" ? ways.find(({ key }) => key === "position") : undefined;
    this.picture.hidden = !places;
    if (places) this.picture.show(terms, places);
  }

  /** The tabs, which stay where they are the same. */
  offer(tabs) {
    const { words, options } = this.model;
    const form = JSON.stringify([tabs, this.tab, options.language]);
    if (form === this.form) return;
    this.form = form;
    const buttons = tabs.map((key) =>
      button("button", () => this.choose(key), words.tabs[key], {
        role: "tab",
        id: `tab-${key}`,
        "aria-selected": String(key === this.tab),
        "aria-controls": "tab-panel",
        tabindex: key === this.tab ? "0" : "-1",
        onkeydown: (event) => this.turned(event, tabs),
      }),
    );
    this.tablist.setAttribute("aria-label", words.products);
    this.tablist.replaceChildren(...buttons);
    this.panel.setAttribute("aria-labelledby", `tab-${this.tab}`);
  }

  choose(key) {
    this.tab = key;
    this.show(this.terms, this.most);
    this.querySelector(`#tab-${key}`)?.focus();
  }

  turned(event, tabs) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.choose(tabs[(tabs.indexOf(this.tab) + by + tabs.length) % tabs.length]);
  }
}

customElements.define("gt-products", ProductsView);
