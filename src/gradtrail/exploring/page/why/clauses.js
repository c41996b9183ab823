// The causes of a zero: what stops a gradient, how often, and where.
//
// Each gives what one layer stops for one reason, as {fact, example, last}: the fact's kind is the cause and
// its count says how often; `example` is one of the elements, and `last` tells whether nothing gets past the
// layer.

import { accessOf } from "gradtrail/equation/affine.js";
import { isRectifier } from "gradtrail/equation/scalar.js";
import { elementOfPoint } from "gradtrail/equation/windows.js";
import { written } from "gradtrail/step/step.js";
import { multipliesByZero } from "gradtrail/why/coefficients.js";

const WHOLE = [
  ...["zero coefficient", "zero weights", "saturated", "level"],
  ...["no class weight", "no weight", "left out", "no output weight"],
];
const HELPS = ["zero weights", "zero inputs"];

/** Later in the answer is what only helps others, such as pixels that are 0 themselves. */
export function rankOf({ fact, last }) {
  if (WHOLE.includes(fact.kind) && last) return 0;
  return HELPS.includes(fact.kind) ? 2 : 1;
}

const closure = (fact, name, index) => ({ fact, example: { side: "value", name, index }, last: false });

/**
 * A maximum lost: which window, by which element, and to whom.
 * @param step the step
 * @param sent the pool's adjoint
 * @param {"lost maximum"|"lost tie"} cause
 * @param {number} count how many windows
 * @param {number[]} window the index of one of them in the pool's output
 * @param {number} place which point of that window lost, counted row by row
 * @param {number[]|null} asked the element that was asked about, where that is one of the pool's source
 */
export function lostClause(step, sent, cause, count, window, place, asked) {
  const name = sent.receives;
  const winner = step.at("value", sent.node.arrays[sent.node.equation.winner], window);
  const taker = elementOfPoint(sent.node.equation, window, winner);
  const loser = elementOfPoint(sent.node.equation, window, place);
  const fact = {
    kind: cause,
    count,
    window: `(${window.slice(2).join(",")})`,
    layer: sent.node.name,
    loser: asked !== null && loser.join() === asked.join() ? null : written("value", name, loser),
    winner: written("value", name, taker),
    value: step.at("value", name, taker),
  };
  return closure(fact, name, taker);
}

/** The loss does not count the sample, or any that are reached; over maps, the positions. */
export function unweightedClause(sent, count, place, samples) {
  const [sample, , ...position] = place.index;
  const kind = unweightedCause(sent.node.equation, position.length > 0);
  const fact = { kind, count, sample, samples };
  if (kind === "left out") fact.position = `(${position.join(",")})`;
  return closure(fact, place.name, place.index);
}

/** The cause where a weight is 0: it is of a position, of a sample itself, or of its class. */
export function unweightedCause({ rule }, ofPositions) {
  if (rule === "squared error") return "no weight";
  return ofPositions ? "left out" : "no class weight";
}

/** The loss of one of several outputs does not count in the sum. */
export function uncountedClause(loss, count, place) {
  return closure({ kind: "no output weight", count, loss }, place.name, place.index);
}

/** So many predictions are their targets to the last bit; one of them is at an index. */
export function saturatedClause(step, sent, count, index) {
  const { arrays, equation } = sent.node;
  const level = equation.slopes !== null;
  const name = arrays[(level ? null : equation.probabilities) ?? equation.source.array];
  const fact = {
    kind: level ? "level" : "saturated",
    count,
    ...(level ? {} : { softmax: equation.probabilities !== null }),
    element: written("value", name, index),
    value: step.at("value", name, index),
    target: written("value", arrays[equation.labels], index),
  };
  return closure(fact, name, index);
}

/** No window of the layer reads it. */
export function unreadClause(sent, count, index) {
  const element = written("value", sent.receives, index);
  const fact = { kind: "no window", count, layer: sent.node.name, element };
  return closure(fact, sent.receives, index);
}

/** The layer's formula multiplies by 0 in so many of the products or positions. */
export function coefficientClause(sent, count, { name, index }, of) {
  const about = { layer: sent.node.name, element: written("value", name, index), count, of };
  return closure({ kind: "zero coefficient", ...about, every: count === of }, name, index);
}

/** A factor that is 0 in so many of the products or positions that come so far. */
export function factorClause(step, sent, factor, count, index, of) {
  const { node } = sent;
  const letter = accessOf(factor).array;
  const name = node.arrays[letter];
  const about = { layer: node.name, element: written("value", name, index), count, of, every: count === of };
  const closed = (kind, more) => closure({ kind, ...about, ...more }, name, index);
  if (node.equation.type === "Softmax") return closed("zero probability");
  if (factor.type === "Applied") {
    if (multipliesByZero(node, factor)) return coefficientClause(sent, count, { name, index }, of);
    return closed(...functionFact(factor.function, step.at("value", name, index)));
  }
  if (step.isMask(name)) return closed("dropped");
  if (node.parameters.includes(letter)) {
    const whole = step.array("value", name).every((weight) => weight === 0);
    return closed("zero weights", { array: name, whole });
  }
  return closed("zero inputs");
}

/** A function that is 0: a slope, where it is flat, or what something is multiplied by. */
function functionFact(applied, value) {
  if (isRectifier(applied)) return ["relu closed", { value }];
  const kind = applied.name.endsWith("′") ? "flat" : "zero function";
  return [kind, { value, function: applied.name.replace(/′$/, "") }];
}
