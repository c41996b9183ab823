// The windows of a maximum: who lost which of them.

import {
  affine,
  factorOf,
  indexOf,
  plain,
  rangesOf,
  shapeOf,
  sizeOf,
  stridesOf,
} from "gradtrail/equation/affine.js";

const tables = new WeakMap();

/** For each window of one sample, where its points lie in the source, row by row; −1 outside it. */
function tableOf(equation) {
  if (tables.has(equation)) return tables.get(equation);
  const ranges = rangesOf(equation);
  const { positions } = equation.source;
  const shape = shapeOf(equation, equation.source.array).slice(1);
  const strides = stridesOf(shape);
  const own = equation.result.positions.map(plain).slice(1);
  const names = [...own, ...equation.over];
  const sizes = names.map((name) => ranges[name]);
  const steps = shape.map((_, axis) => names.map((name) => factorOf(positions[axis + 1], name)));
  const table = Int32Array.from({ length: sizeOf(sizes) }, (_, at) => {
    const point = indexOf(sizes, at);
    let place = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      let position = affine(positions[axis + 1]).offset;
      for (let i = 0; i < point.length; i++) position += steps[axis][i] * point[i];
      if (position < 0 || position >= shape[axis]) return -1;
      place += position * strides[axis];
    }
    return place;
  });
  const found = { table, points: sizeOf(equation.over.map((name) => ranges[name])), size: sizeOf(shape) };
  tables.set(equation, found);
  return found;
}

/**
 * What becomes of a mask at a maximum.
 * @param equation the Selection
 * @param held of the samples that matter: the mask, the source, the best and the winner of each window
 * @param {number[]} shape the output's, of these samples
 * @returns {{passed: Float64Array, lost: object[], tied: object[]}} the windows whose winner is in the
 *     mask; and of each other window with something of the mask in it, the first point that lost it, or
 *     tied
 */
export function windowsOf(equation, held, shape) {
  const { table, points, size } = tableOf(equation);
  const windows = table.length / points;
  const passed = new Float64Array(sizeOf(shape));
  const lost = [];
  const tied = [];
  for (let window = 0; window < passed.length; window++) {
    const row = (window % windows) * points;
    const start = Math.floor(window / windows) * size;
    let first = -1;
    let tie = -1;
    for (let place = 0; place < points; place++) {
      const at = table[row + place];
      if (at < 0 || !(held.mask[start + at] > 0)) continue;
      if (held.winner[window] === place) passed[window] = 1;
      if (first < 0) first = place;
      if (tie < 0 && held.source[start + at] === held.best[window]) tie = place;
    }
    if (passed[window] || first < 0) continue;
    if (tie >= 0) tied.push({ window, place: tie });
    else lost.push({ window, place: first });
  }
  return { passed, lost, tied };
}
