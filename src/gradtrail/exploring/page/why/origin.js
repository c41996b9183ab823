// Where a number is from: of what is no sum, and of what is not finite.

import { written } from "gradtrail/step/step.js";
import { Terms } from "gradtrail/step/terms.js";
import { productText } from "gradtrail/why/tables.js";

const GREATEST = (2 - 2 ** -23) * 2 ** 127;

/** Where an element that is no sum is from: given, or made by a layer as a winner or a probability. */
export function origin(terms) {
  const node = terms.side === "value" ? terms.step.producers.get(terms.name) : undefined;
  if (node === undefined) return { from: "given" };
  if (node.equation.type === "Selection") return { from: "winner", layer: node.name };
  return { from: "softmax", layer: node.name, source: node.arrays[node.sources[0]] };
}

/**
 * Where a NaN or an infinity comes from: the first element on the way, and what it was made of.
 * @returns {{text: string, where: object[]}} the sentence, and the elements on the way to the first one
 */
export function originSentence(step, side, name, index, say) {
  const way = [];
  let here = { side, name, index };
  let terms;
  let made;
  for (let following = here; following !== null && !way.some((one) => same(one, following));) {
    here = following;
    way.push(here);
    terms = new Terms(step, here.side, here.name, here.index);
    [following, made] = further(step, terms, say);
  }
  const layer = step.nodes.get(here.name.split(".")[0]);
  const first = {
    element: terms.element,
    value: terms.value,
    layer: layer ? { name: layer.name, kind: layer.kind } : null,
    sample: step.arrays.get(here.name).by_sample ? here.index[0] : null,
    made,
  };
  const asked = { element: written(side, name, index), value: step.at(side, name, index) };
  return { text: say.notFinite({ asked: way.length > 1 ? asked : null, first }), where: way };
}

const same = (a, b) => written(a.side, a.name, a.index) === written(b.side, b.name, b.index);

/** An operand that is not finite either; or none, and what the element was made of. */
function further(step, terms, say) {
  if (terms.given) return unsummed(step, terms, say);
  const single = step.array(terms.side, terms.name) instanceof Float32Array;
  const most = single ? GREATEST : Number.MAX_VALUE;
  const start = terms.products.findIndex((product) => !(Math.abs(product) <= most));
  if (start < 0) return [null, say.overflow({ products: terms.length, total: terms.sum })];
  const row = terms.row(start);
  const values = row.factors.filter((factor) => factor.side !== "grad");
  const gradients = row.factors.filter((factor) => factor.side === "grad");
  const wrong = [...values, ...gradients].find((factor) => !Number.isFinite(factor.stored));
  if (wrong) return [{ side: wrong.side, name: wrong.name, index: wrong.index }, ""];
  return [null, say.firstNotFinite({ product: productText(row) })];
}

/** What was given, or is no sum: a softmax of its outputs. */
function unsummed(step, terms, say) {
  const node = terms.side === "grad" ? undefined : step.producers.get(terms.name);
  if (node === undefined) {
    const trained = step.parameters.some(({ name }) => name === terms.name);
    return [null, say.givenNotFinite({ trained })];
  }
  const source = node.arrays[node.sources[0]];
  const shape = step.shape(source);
  const [sample] = terms.index;
  for (let k = 0; k < shape[1]; k++) {
    if (!Number.isFinite(step.at("value", source, [sample, k]))) {
      return [{ side: "value", name: source, index: [sample, k] }, ""];
    }
  }
  return [null, say.madeOfFinite({ source: written("value", source, [sample]) })];
}
