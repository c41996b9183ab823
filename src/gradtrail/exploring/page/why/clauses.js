// The causes of a zero: what stops a gradient, how often, and where.
//
// Each gives what one layer stops for one reason: {layer, cause, count, sentence, facts, example, last}. The
// clause that says so is say[sentence](facts); `example` is one of the elements, and `last` tells whether
// nothing gets past the layer.

import { accessOf, indexOf, positionAt, rangesOf } from "gradtrail/equation/affine.js";
import { written } from "gradtrail/step/step.js";

const WHOLE = ["zero weights", "saturated", "no class weight", "no weight"];
const HELPS = ["zero weights", "zero inputs"];

/** Later in the answer: what only helps others, such as pixels that are 0 themselves. */
export function trivial({ cause, last }) {
  if (WHOLE.includes(cause) && last) return 0;
  return HELPS.includes(cause) ? 2 : 1;
}

function closed(sent, cause, count, [sentence, facts], name, index) {
  return {
    layer: sent.node.name,
    cause,
    count,
    sentence,
    facts,
    example: { side: "value", name, index },
    last: false,
  };
}

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
  const taker = pointAt(sent.node.equation, window, winner);
  const loser = pointAt(sent.node.equation, window, place);
  const facts = {
    tie: cause === "lost tie",
    count,
    window: window.slice(2),
    pool: sent.node.name,
    loser: asked !== null && loser.join() === asked.join() ? null : written("value", name, loser),
    winner: written("value", name, taker),
    value: step.at("value", name, taker),
  };
  return closed(sent, cause, count, ["lost", facts], name, taker);
}

/** The element of a pool's source at one point of a window. */
function pointAt(equation, window, place) {
  const ranges = rangesOf(equation);
  const offsets = indexOf(
    equation.over.map((name) => ranges[name]),
    place,
  );
  const names = [...equation.result.positions.map((position) => position.terms[0][0]), ...equation.over];
  const point = Object.fromEntries([...window, ...offsets].map((value, i) => [names[i], value]));
  return equation.source.positions.map((position) => positionAt(position, point));
}

/**
 * The loss does not count the class of the sample, or of all that are reached; weights of the squared
 * error are the samples' own.
 */
export function unweightedClause(sent, count, place, samples) {
  const own = sent.node.equation.probabilities === null;
  const said = ["unweighted", { sample: place.index[0], samples, own }];
  return closed(sent, own ? "no weight" : "no class weight", count, said, place.name, place.index);
}

/**
 * The prediction is the target to the last bit.
 * @param step the step
 * @param sent the loss's adjoint
 * @param {number} count how many outputs
 * @param {number[]} index one of them
 */
export function saturatedClause(step, sent, count, index) {
  const { arrays, equation } = sent.node;
  const held = arrays[equation.probabilities ?? equation.source.array];
  const facts = {
    softmax: equation.probabilities !== null,
    count,
    held: written("value", held, index),
    value: step.at("value", held, index),
    target: written("value", arrays[equation.labels], index),
  };
  return closed(sent, "saturated", count, ["saturated", facts], held, index);
}

/** No window of the layer reads it. */
export function unreadClause(sent, count, index) {
  const facts = { layer: sent.node.name, count, place: written("value", sent.receives, index) };
  return closed(sent, "no window", count, ["unread", facts], sent.receives, index);
}

/**
 * A factor of 0.
 * @param step the step
 * @param sent the layer's adjoint
 * @param factor which of its factors
 * @param {number} count how often it is 0
 * @param {number[]} index where, for example
 * @param {number} of how many products or positions come so far
 */
export function factorClause(step, sent, factor, count, index, of) {
  const { node } = sent;
  const letter = accessOf(factor).array;
  const name = node.arrays[letter];
  const facts = {
    layer: node.name,
    element: written("value", name, index),
    value: step.at("value", name, index),
    array: name,
    count,
    of,
  };
  const [cause, ...said] = told(step, node, factor, letter, facts);
  return closed(sent, cause, count, said, name, index);
}

function told(step, node, factor, letter, facts) {
  if (factor.type === "Applied") {
    const relu = factor.function.name.startsWith("relu");
    return [relu ? "relu closed" : "flat", "functionClosed", { ...facts, relu }];
  }
  if (facts.array.endsWith(".mask")) return ["dropped", "dropped", facts];
  if (node.parameters.includes(letter)) {
    const every = step.array("value", facts.array).every((weight) => weight === 0);
    return ["zero weights", "zeroWeights", { ...facts, every }];
  }
  return ["zero inputs", "zeroInputs", facts];
}
