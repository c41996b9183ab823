// What a loss counts, and where what it compares differs.

import { sizeOf } from "gradtrail/equation/affine.js";

/**
 * The weight of each sample, or of each of its positions; null where all count.
 *
 * A loss of classes whose equation has no weight holds it in its targets: what they add up to.
 * @param node a loss
 * @param {(name: string) => ArrayLike<number>} value arrays, of the samples that matter
 * @param {number[]} shape the predictions', of these samples
 * @returns {{held: ArrayLike<number>, placeOf: (place: number) => number} | null} and where the weight
 *     of a prediction stands
 */
export function countedWeights({ equation, arrays }, value, shape) {
  const size = sizeOf(shape.slice(1));
  const along = (positions) => (place) => Math.floor(place / size) * positions + (place % positions);
  if (equation.weight !== null) {
    const held = value(arrays[equation.weight]);
    return { held, placeOf: along(held.length / shape[0]) };
  }
  if (equation.rule !== "softmax pointwise") return null;
  const positions = sizeOf(shape.slice(2));
  const placeOf = along(positions);
  const held = new Float64Array(shape[0] * positions);
  value(arrays[equation.labels]).forEach((target, place) => {
    held[placeOf(place)] += target;
  });
  return { held, placeOf };
}

/**
 * Whether a prediction is not its target, or the loss changes with it, place by place.
 * @param node a loss
 * @param {(name: string) => ArrayLike<number>} value arrays, of the samples that matter
 * @param weights what `countedWeights` gives
 * @returns {(place: number) => boolean}
 */
export function differing({ equation, arrays }, value, weights) {
  const { slopes, probabilities, source, labels, weight, rule } = equation;
  if (slopes !== null) {
    const held = value(arrays[slopes]);
    return (place) => held[place] !== 0;
  }
  const found = value(arrays[probabilities ?? source.array]);
  const target = value(arrays[labels]);
  if (weight === null || rule === "squared error") return (place) => found[place] !== target[place];
  const { held, placeOf } = weights; // the targets hold them
  const rounded = found instanceof Float32Array ? Math.fround : (number) => number;
  return (place) => rounded(found[place] * held[placeOf(place)]) !== target[place];
}
