// The windows of a maximum as places in its source.

import {
  affine,
  factorOf,
  indexOf,
  numberAt,
  placeOf,
  plain,
  rangesOf,
  shapeOf,
  sizeOf,
  spansOf,
  stridesOf,
} from "gradtrail/equation/affine.js";
import { once } from "gradtrail/equation/once.js";

/**
 * Where the points of a maximum's windows lie.
 * @param equation the Selection
 * @returns {{table: Int32Array, points: number, size: number}} for each window of one sample the places of
 *   its points in that sample of the source, −1 outside it; how many points a window has, and a sample
 */
export const windowTable = once((equation) => {
  const ranges = rangesOf(equation);
  const { positions } = equation.source;
  const shape = shapeOf(equation, equation.source.array).slice(1);
  const strides = stridesOf(shape);
  const own = equation.result.positions.map(plain).slice(1);
  const names = [...own, ...equation.over];
  const sizes = names.map((name) => ranges[name]);
  const steps = shape.map((_, axis) => names.map((name) => factorOf(positions[axis + 1], name)));
  const within = (equation.within ?? []).map((factor) => ({
    factor,
    places: spansOf(factor).names.map((name) => names.indexOf(name)),
  }));
  const table = Int32Array.from({ length: sizeOf(sizes) }, (_, at) => {
    const point = indexOf(sizes, at);
    for (const { factor, places } of within) {
      const [row, column] = places.map((place) => point[place]);
      if (numberAt(factor, row, column) === 0) return -1;
    }
    let place = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      let position = affine(positions[axis + 1]).offset;
      for (let i = 0; i < point.length; i++) position += steps[axis][i] * point[i];
      if (position < 0 || position >= shape[axis]) return -1;
      place += position * strides[axis];
    }
    return place;
  });
  return { table, points: sizeOf(equation.over.map((name) => ranges[name])), size: sizeOf(shape) };
});

/** The element of a maximum's source at one of a window's points, which lies inside it. */
export function elementOfPoint(equation, [sample, ...window], point) {
  const { table, points } = windowTable(equation);
  const [shape, windows] = [equation.source, equation.result].map(({ array }) =>
    shapeOf(equation, array).slice(1),
  );
  return [sample, ...indexOf(shape, table[placeOf(windows, window) * points + point])];
}
