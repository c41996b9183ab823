// What samples count in a loss, or their positions: 0 leaves one out.

import { sizeOf } from "gradtrail/equation/affine.js";

/**
 * The weight of each sample, or of each of its positions; null where all count.
 *
 * A loss of classes whose equation has no weight holds it in its targets: what they add up to.
 * @param node a loss
 * @param {(name: string) => ArrayLike<number>} value arrays, of the samples that matter
 * @param {number[]} shape the predictions', of these samples
 * @returns {{held: ArrayLike<number>, positions: number} | null} and how many weights a sample has
 */
export function countedWeights({ equation, arrays }, value, shape) {
  const [samples, classes, ...places] = shape;
  if (equation.weight !== null) {
    const held = value(arrays[equation.weight]);
    return { held, positions: held.length / samples };
  }
  if (equation.rule !== "softmax pointwise") return null;
  const positions = sizeOf(places);
  const targets = value(arrays[equation.labels]);
  const held = new Float64Array(samples * positions);
  targets.forEach((target, i) => {
    held[Math.floor(i / (classes * positions)) * positions + (i % positions)] += target;
  });
  return { held, positions };
}
