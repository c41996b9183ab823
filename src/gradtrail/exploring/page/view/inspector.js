// <gt-inspector>: one number taken apart: its formula, the products behind it, where they lie, and why.

import { formula, mathml, text } from "gradtrail/equation/printing.js";
import { Terms } from "gradtrail/step/terms.js";
import { named, written } from "gradtrail/step/step.js";
import { View, button, figuresRow, fill, formulaFrom, framed, h } from "gradtrail/view/dom.js";
import { EditView } from "gradtrail/view/edit.js";
import { ProductsView } from "gradtrail/view/products.js";
import { layerCard } from "gradtrail/view/layer-card.js";
import { updateCard } from "gradtrail/view/update-card.js";
import { Why } from "gradtrail/view/why.js";
import { cancelling } from "gradtrail/why/tables.js";
import { count, number } from "gradtrail/words/number.js";

const SLOTS = ["trail", "head", "compared", "formulas", "totals", "edit", "products"];

export class InspectorView extends View {
  connectedCallback() {
    if (this.show) return;
    const { model } = this;
    this.products = ProductsView.of(model);
    this.why = new Why(model);
    this.known = new WeakMap();
    this.show = framed(() => this.showNow());
    model.on("spot pins numbers look sample", this.show);
    model.describe = (layer) => {
      this.layer = layer;
      this.show();
    };
    model.on("spot", () => {
      if (model.cell) this.layer = null;
    });
    this.setAttribute("role", "region");
    this.slots = Object.fromEntries(SLOTS.map((name) => [name, h(`div.slot-${name}`)]));
    this.append(...Object.values(this.slots));
    this.show();
  }

  /** Fill the slots that are named and empty the others. What stays the same stays where it is. */
  fill(parts) {
    for (const [name, slot] of Object.entries(this.slots)) {
      const wanted = [parts[name] ?? []].flat().filter((part) => part !== "");
      fill(slot, ...wanted);
    }
  }

  /** Show what the model points at; where the keyboard was it is again, or else at the element's name. */
  showNow() {
    const focused = this.contains(document.activeElement) ? document.activeElement : null;
    const key = focused?.dataset.key ?? focused?.id;
    this.showCell();
    if (!focused || document.activeElement === focused) return;
    const again = key ? this.querySelector(`[data-key="${CSS.escape(key)}"], #${CSS.escape(key)}`) : null;
    (again ?? this.querySelector(".element"))?.focus({ preventScroll: true });
  }

  showCell() {
    const { model } = this;
    const { cell } = model;
    this.setAttribute("aria-label", model.words.inspector);
    this.classList.toggle("empty", !cell && !this.layer);
    this.classList.toggle("passing", Boolean(model.pointed));
    this.classList.toggle("unpinned", !model.pins.length && !this.layer);
    if (this.layer || !cell) {
      this.fill({ head: this.layer ? layerCard(model, this.layer) : this.nothing() });
      return;
    }
    const needs = model.needs(cell);
    if (!model.fetched(needs, this.show)) {
      this.fill({ head: [this.heading(cell, null), h("p.soft", {}, model.words.loading)] });
      return;
    }
    if (cell.side === "change")
      this.fill({
        head: updateCard(model, cell, this.heading(cell, model.step.at("change", cell.name, cell.index))),
      });
    else this.explain(cell);
  }

  nothing() {
    const { words } = this.model;
    return [
      h("h2", {}, words.pointTitle),
      h("p.soft", {}, words.pointHelp),
      h("ul.keys", {}, ...words.keys.map(([key, does]) => h("li", {}, h("kbd", {}, key), ` ${does}`))),
    ];
  }

  // -- one element --------------------------------------------------------------------------------

  explain(cell) {
    const { model } = this;
    const { terms } = model.spot;
    const pinned = model.isPinned(cell);
    if (!terms.given) this.products.show(terms, pinned ? 200 : 12);
    const [first, second] = model.pins;
    const compared = pinned && second ? this.compared(first, second) : null;
    this.fill({
      trail: this.trail(),
      head: this.heading(cell, terms.value),
      compared,
      formulas: this.formulas(terms),
      totals: [this.totals(terms), this.why.element(cell)],
      edit: EditView.for(model, cell, terms.value),
      products: terms.given ? h("p.soft", {}, this.given(cell)) : this.products,
    });
  }

  heading(cell, value) {
    const { model } = this;
    const { words } = model;
    const pinned = model.isPinned(cell);
    const name = written(cell.side, cell.name, cell.index);
    return h(
      "header",
      {},
      h("h2.element", { tabindex: "-1" }, name),
      h("output.value", {}, value === null ? "…" : number(value, 6)),
      button("button.pin", () => model.pin(cell), pinned ? words.unpin : words.pin, {
        "data-key": "pin",
        "aria-pressed": String(pinned),
        title: words.pinHelp,
      }),
    );
  }

  /** The way from the element that was pinned first to the one that is shown. */
  trail() {
    const { model } = this;
    if (!model.trail.length || model.pointed) return "";
    const steps = model.trail.map(({ side, name, index }, place) =>
      h(
        "li",
        {},
        button("button.link", () => model.back(place), written(side, name, index)),
      ),
    );
    const back = button("button.back", () => model.back(), model.words.back, { "data-key": "back" });
    return h("nav.trail", { "aria-label": model.words.trail }, back, h("ol", {}, ...steps));
  }

  formulas(terms) {
    if (terms.given) return [];
    const sums = this.model.step.sums(terms.side, terms.name);
    return sums.map((sum) => {
      const { element, filled } = this.formulaOf(sum, sums.length > 1);
      const numbers = formula(sum.printed, terms.index);
      filled.setAttribute("aria-label", text(numbers));
      filled.replaceChildren(mathml(numbers));
      return element;
    });
  }

  /** A sum in symbols, made once, with room for its numbers. */
  formulaOf(sum, several) {
    if (!this.known.has(sum)) {
      const filled = h("div.formula.numbers", { tabindex: "0", role: "math" });
      const symbols = h("div.formula.symbols", { tabindex: "0" }, formulaFrom(this.symbolsOf(sum)));
      const layer = several ? h("span.soft", {}, sum.layer) : "";
      this.known.set(sum, { element: h("div.sum", {}, layer, symbols, filled, this.legend(sum)), filled });
    }
    return this.known.get(sum);
  }

  /** A sum in symbols; of a maximum, the maximum itself. */
  symbolsOf(sum) {
    const { step, description } = this.model;
    const chosen =
      sum.factors.flat().length === 2 && step.nodes.get(sum.layer)?.equation.type === "Selection";
    const forward = chosen && sum.arrays[sum.equation.terms[0].target.array][0] === "value";
    return forward ? description.layers.find(({ name }) => name === sum.layer).formula : sum.symbols;
  }

  /** What the letters stand for. */
  legend(sum) {
    const letters = Object.entries(sum.arrays).filter(([letter]) => sum.letters.includes(letter));
    const means = letters.map(([letter, [side, name]]) =>
      h("span", {}, h("i", {}, letter), ` ${named(side, name)}`),
    );
    return h("div.legend", {}, ...means);
  }

  totals(terms) {
    if (terms.given) return "";
    const { words } = this.model;
    const strongest = terms.top(3).map((row) => this.productOf(row));
    const more = terms.length > strongest.length ? " + …" : "";
    const apart = Math.abs(terms.value - terms.sum);
    return h(
      "div.totals",
      {},
      h("div.worked", {}, strongest.join(" + ") + more, h("b", {}, ` = ${number(terms.sum, 6)}`)),
      h(
        "div.soft",
        {},
        words.totals(count(terms.length), count(terms.nonzero), number(terms.magnitude), cancelling(terms)),
      ),
      apart > 0 ? h("div.soft", {}, words.apart(number(apart, 2))) : "",
    );
  }

  /** A product with its numbers: 0.25·(−0.3)·1. */
  productOf(row) {
    const signed = (value) => (value < 0 ? `(${number(value, 3)})` : number(value, 3));
    const scale = row.scale === 1 ? [] : [signed(row.scale)];
    return [...scale, ...row.factors.map((factor) => signed(factor.value))].join("·") || "1";
  }

  given({ side, name }) {
    const { words, step } = this.model;
    const node = side === "value" ? step.producers.get(name) : null;
    if (!node) return words.given;
    return node.equation.type === "Selection"
      ? words.winnerOf(node.name)
      : words.softmaxOf(node.arrays[node.sources[0]]);
  }

  // -- two elements -------------------------------------------------------------------------------

  /** Two pinned elements side by side. */
  compared(first, second) {
    const { model } = this;
    const { words } = model;
    if ([first, second].some(({ side }) => side === "change")) return null;
    const needs = [first, second].flatMap((cell) => model.needs(cell));
    if (!model.fetched(needs, this.show)) return null;
    const held = [first, second].map(({ side, name, index }) => new Terms(model.step, side, name, index));
    const cells = (work) => held.map((terms) => h("td", {}, work(terms)));
    const line = (name, work) => figuresRow(name, ...cells(work));
    const ratio = held[0].value !== 0 ? number(held[1].value / held[0].value + 0) : "—";
    return h(
      "table.compared",
      {},
      h("caption", {}, words.compared(ratio)),
      h("tr", {}, h("td"), ...held.map((terms) => h("th", { scope: "col" }, terms.element))),
      line(words.value, (terms) => number(terms.value, 6)),
      line(words.productsCount, (terms) => `${count(terms.nonzero)} / ${count(terms.length)}`),
      line("Σ|·|", (terms) => number(terms.magnitude)),
      line(words.strongest, (terms) => (terms.length ? number(terms.top(1)[0].product) : "—")),
    );
  }
}

customElements.define("gt-inspector", InspectorView);
