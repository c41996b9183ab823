// One product as a row of a table. It is made once and filled with other products: while a pointer moves,
// there are others in every frame, and elements that stay cost the browser far less than new ones.

import { css } from "gradtrail/view/colour.js";
import { button, h, write } from "gradtrail/view/dom.js";
import { written } from "gradtrail/step/step.js";
import { factorText } from "gradtrail/why/tables.js";
import { number, percent } from "gradtrail/words/number.js";

/** A factor with its number; following it leads to where it came from. */
class Factor {
  constructor(model) {
    this.link = button("button.link", () => model.follow(this.cell), "");
    this.value = h("span");
    this.element = h("span.factor", {}, this.link, " ", this.value);
  }

  show(factor) {
    const { letter, side, name, index, value } = factor;
    const element = written(side, name, index);
    if (element !== this.link.dataset.element) {
      if (document.activeElement === this.link) this.link.blur(); // what had the keyboard is gone
      this.link.dataset.element = element;
      this.link.title = element;
    }
    this.cell = { side, name, index };
    write(this.link, factorText(written("value", letter, index), factor)); // relu′(X[0,1,2] = 0.4)
    write(this.value, number(value + 0));
  }
}

export class Line {
  /**
   * @param model the page's
   * @param {string[]} columns the indices that have one; "layer" for the layer's name
   * @param {number} factors how many there are
   * @param {boolean} scaled whether there is a column for what a product is scaled by
   */
  constructor(model, columns, factors, scaled) {
    this.columns = columns;
    this.cells = columns.map(() => h("td.number"));
    this.factors = Array.from({ length: factors }, () => new Factor(model));
    this.scale = scaled ? h("td.number") : null;
    this.product = h("td.number");
    const multiplied = this.factors.flatMap(({ element }, place) => (place ? [" · ", element] : [element]));
    this.element = h("tr", {}, ...this.cells, h("td.factors", {}, ...multiplied), this.scale, this.product);
  }

  /**
   * @param row a product, as `Terms.row` gives it
   * @param {number} magnitude the sum of all products' sizes
   * @param {number} limit the greatest size that is shown
   */
  show(row, magnitude, limit) {
    this.element.dataset.row = row.number;
    this.columns.forEach((name, column) =>
      write(this.cells[column], name === "layer" ? row.layer : String(row.indices[name] ?? "")),
    );
    row.factors.forEach((factor, place) => this.factors[place].show(factor));
    if (this.scale) write(this.scale, number(row.scale));
    write(this.product, number(row.product + 0));
    this.product.title = percent(magnitude ? row.product / magnitude : 0);
    this.product.style.setProperty("--share", limit ? `${(100 * Math.abs(row.product)) / limit}%` : "0%");
    this.product.style.setProperty("--tint", css(row.product, limit));
  }
}
