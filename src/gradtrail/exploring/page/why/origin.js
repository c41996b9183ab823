// Where a number is from that no sum explains: what is given, and what is not finite.

import { written } from "gradtrail/step/step.js";
import { Terms } from "gradtrail/step/terms.js";
import { productText } from "gradtrail/why/tables.js";

const GREATEST = (2 - 2 ** -23) * 2 ** 127;

/** Where an element that is no sum is from: given, or made as a winner or a probability. */
export function originOf(terms) {
  const node = terms.side === "value" ? terms.step.producers.get(terms.name) : undefined;
  if (node === undefined) return { kind: "from outside" };
  if (node.equation.type === "Selection") return { kind: "winner", layer: node.name };
  return { kind: madeAs(node, terms.name), source: node.arrays[node.sources[0]], layer: node.name };
}

/** What a layer makes of its source that is no sum. */
function madeAs({ equation, arrays }, name) {
  if (equation.type !== "Loss") return equation.log ? "log softmax" : "softmax";
  const { weight, elements, slopes, probabilities, rule } = equation;
  const kinds = [
    [weight, "target sum"],
    [elements, "loss element"],
    [slopes, "loss slope"],
    [probabilities, rule === "sigmoid overlap" ? "sigmoid" : "softmax"],
  ];
  return kinds.find(([letter]) => letter !== null && arrays[letter] === name)[1];
}

/**
 * Where a NaN or an infinity comes from: the first element on the way, and what it was made of.
 * @returns {{fact: object, where: object[]}} the fact, and the elements on the way to the first one
 */
export function nonfiniteSource(step, side, name, index) {
  const way = [{ side, name, index }];
  let terms = new Terms(step, side, name, index);
  let made = madeOf(step, terms);
  for (; made.kind === undefined; made = madeOf(step, terms)) {
    way.push(made);
    terms = new Terms(step, made.side, made.name, made.index);
  }
  const node = step.nodes.get(step.arrays.get(terms.name).layer);
  const fact = {
    kind: "not finite",
    asked: way.length > 1 ? written(side, name, index) : null,
    was: step.at(side, name, index),
    element: terms.element,
    value: terms.value,
    layer: node?.name ?? null,
    type: node?.kind ?? null,
    sample: step.arrays.get(terms.name).by_sample ? terms.index[0] : null,
    made,
  };
  return { fact, where: way };
}

/** An operand that is not finite either; or the fact what the element was made of. */
function madeOf(step, terms) {
  if (terms.given) return unsummed(step, terms);
  const single = step.array(terms.side, terms.name) instanceof Float32Array;
  const most = single ? GREATEST : Number.MAX_VALUE;
  const start = terms.products.findIndex((product) => !(Math.abs(product) <= most));
  if (start < 0) return { kind: "overflow", products: terms.length, total: terms.sum };
  const row = terms.row(start);
  const wrong = row.factors.filter((factor) => !Number.isFinite(factor.stored));
  const first = wrong.find((factor) => factor.side !== "grad") ?? wrong[0];
  if (first) return { side: first.side, name: first.name, index: first.index };
  return { kind: "arises", product: productText(row) };
}

/** What was given, or is no sum: a softmax of its outputs. */
function unsummed(step, terms) {
  const node = terms.side === "grad" ? undefined : step.producers.get(terms.name);
  if (node === undefined) {
    const trained = step.parameters.some(({ name }) => name === terms.name);
    return { kind: trained ? "so before" : "given so" };
  }
  const source = node.arrays[node.sources[0]];
  const [sample] = terms.index;
  const outputs = [...Array(step.shape(source)[1]).keys()];
  const wrong = outputs.find((k) => !Number.isFinite(step.at("value", source, [sample, k])));
  if (wrong !== undefined) return { side: "value", name: source, index: [sample, wrong] };
  return { kind: "finite source", source: written("value", source, [sample]) };
}
