// What an element is made of, and what it has a part in: places in arrays, read off the equations.

import { accessOf, placeOf } from "gradtrail/equation/affine.js";
import { placesOf } from "gradtrail/step/step.js";

/** Places by array and side, as masks: 1 at each place that is marked. */
class Marked {
  constructor(step) {
    this.step = step;
    this.masks = new Map();
  }

  add(side, name, places) {
    const key = `${side} ${name}`;
    if (!this.masks.has(key)) this.masks.set(key, new Uint8Array(this.step.arrays.get(name).size));
    const mask = this.masks.get(key);
    for (let i = 0; i < places.length; i++) mask[places[i]] = 1;
  }

  /** The mask of one array; undefined where nothing of it is marked. */
  of(side, name) {
    return this.masks.get(`${side} ${name}`);
  }

  /** The arrays that have marks: "value conv1.output". */
  get keys() {
    return [...this.masks.keys()];
  }
}

/** Every element that is a factor in a sum, of which the parts are given. */
export function windowOf(step, parts) {
  const marked = new Marked(step);
  for (const part of parts) {
    if (part.sum.given) continue;
    part.term.factors.forEach((factor) => {
      const access = accessOf(factor);
      const [readSide, readName] = part.sum.arrays[access.array];
      marked.add(readSide, readName, placesOf(access, step.shape(readName), part.points));
    });
  }
  return marked;
}

/** What a weight's change is made of: the weight and its gradient. */
export function windowOfChange(step, name, index) {
  const marked = new Marked(step);
  const place = placeOf(step.shape(name), index);
  for (const side of ["value", "grad"]) marked.add(side, name, [place]);
  return marked;
}

/** Every element on the same side in whose sum an element is a factor. */
export function reachOf(step, side, name, index) {
  const marked = new Marked(step);
  for (const reader of step.partsReading(side, name, index)) {
    if (reader.side !== side) continue;
    marked.add(
      side,
      reader.name,
      placesOf(reader.part.term.target, step.shape(reader.name), reader.part.points),
    );
  }
  return marked;
}
