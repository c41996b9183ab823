// The windows of a maximum: who lost which of them.

import { sizeOf } from "gradtrail/equation/affine.js";
import { windowTable } from "gradtrail/equation/windows.js";

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
  const { table, points, size } = windowTable(equation);
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
