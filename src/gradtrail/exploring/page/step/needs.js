// Which rows of which arrays an answer is computed from, so that only those are fetched.

import { accessOf, affine, extentOf } from "gradtrail/equation/affine.js";

/** Rows of one array along its first axis: { side, name, from, to }. */
const rows = (side, name, from, to) => ({ side, name, from, to });

/** All of an array. */
export function whole(step, side, name) {
  return rows(side, name, 0, step.shape(name)[0] ?? 1);
}

/** The rows of an array that a sample lies in: its own, or all where the array has no samples. */
export function ofSample(step, side, name, sample) {
  return step.arrays.get(name).by_sample ? rows(side, name, sample, sample + 1) : whole(step, side, name);
}

/** The rows that an element and the products behind it are read from. */
export function ofElement(step, side, name, index) {
  const found = [rows(side, name, index[0] ?? 0, (index[0] ?? 0) + 1)];
  for (const part of step.parts(side, name, index)) {
    if (part.length === 0) continue;
    part.term.factors.forEach((factor, place) => {
      const access = accessOf(factor);
      const [readSide, readName] = part.sum.arrays[access.array];
      found.push(rows(readSide, readName, ...span(access, step.shape(readName), part.points)));
      if (part.sum.factors[part.number][place].logarithm)
        found.push(whole(step, "value", step.description.output));
    });
  }
  return found;
}

/** From which to which row an access leads. */
function span(access, shape, points) {
  if (shape.length === 0) return [0, 1];
  const [position] = access.positions;
  let low = affine(position).offset;
  let high = low;
  for (const group of points.groups) {
    const [least, most] = extentOf(group.along(position));
    low += least;
    high += most;
  }
  return [low, high + 1];
}
