// What was worked out for a step before, kept while its numbers are the same (`Step.cached`).
//
// The walks of two elements are mostly the same further on, and pointing moves from one to the next.

import { functionOf } from "gradtrail/equation/scalar.js";

/** The adjoints by node, each with its node, the array that receives it, and its sum for that array. */
export function adjointsOf(step) {
  return step.cached("adjoints", () => {
    const found = new Map();
    const received = new Map();
    for (const { node: name, operand, equation } of step.description.backward) {
      const node = step.nodes.get(name);
      const receives = node.arrays[operand];
      const place = received.get(receives) ?? 0;
      received.set(receives, place + 1);
      if (!found.has(name)) found.set(name, []);
      found.get(name).push({ node, operand, equation, receives, sum: step.sums("grad", receives)[place] });
    }
    return found;
  });
}

/** Where a factor is not 0, over the whole batch: 1, or else 0. */
export function nonzeroOf(step, name, factor) {
  return step.cached(factor, () => {
    const array = step.array("value", name);
    const single = array instanceof Float32Array;
    const apply = factor.type === "Applied" ? functionOf(factor.function.body, single) : (value) => value;
    const held = new Uint8Array(array.length);
    for (let i = 0; i < held.length; i++) held[i] = apply(array[i]) === 0 ? 0 : 1;
    return held;
  });
}

/** What `make` gave for the last mask at an adjoint, if this is the same one. */
export function remembered(step, sent, sample, mask, make) {
  const last = step.cached(sent, () => ({}));
  const same = last.mask !== undefined && last.sample === sample && equal(last.mask.held, mask.held);
  if (!same) Object.assign(last, { sample, mask, result: make() });
  return last.result;
}

/** Whether two masks hold the same: a loop, as in masks.js, for `every` takes ten times as long. */
function equal(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
