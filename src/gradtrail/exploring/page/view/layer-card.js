// A layer's equations, forward and backward, in symbols.

import { figuresRow, formulaFrom, h } from "gradtrail/view/dom.js";
import { count } from "gradtrail/words/number.js";

/** What the inspector shows about a layer. */
export function layerCard(model, name) {
  const { words, description, step } = model;
  const layer = description.layers.find((one) => one.name === name);
  if (!layer) {
    const shape = step.shape(name);
    return h("div", {}, h("h2", {}, name), h("p", {}, words.inputCard(shape.join(" × "), shape.length)));
  }
  const node = step.nodes.get(name);
  const list = Object.entries(node.arrays).map(([letter, array]) =>
    figuresRow(h("i", {}, letter), h("td", {}, array), step.shape(array).join(" × ") || "1"),
  );
  const formulas = (title, markup) => [
    h("h3", {}, title),
    ...markup.map((one) => h("div.formula", { tabindex: "0" }, formulaFrom(one))),
  ];
  return h(
    "div.layer-card",
    {},
    h("h2", {}, name),
    h("code", {}, layer.settings),
    ...[...new Set(layer.how)].filter(Boolean).map((how) => h("p.how", {}, how)),
    h("p.soft", {}, words.layerFacts(count(layer.multiply_adds), layer.receptive_field)),
    ...formulas(words.stages.forward, [layer.formula]),
    ...(layer.adjoints.length ? formulas(words.stages.backward, layer.adjoints) : []),
    h("table.arrays", {}, h("caption", {}, words.letters), h("tbody", {}, ...list)),
  );
}
