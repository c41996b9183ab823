// The step that Python has written down, what it says of it, and how numbers are compared.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Arrays, arrayOf } from "gradtrail/step/arrays.js";
import { Step } from "gradtrail/step/step.js";

export const known = JSON.parse(readFileSync(process.env.GRADTRAIL_KNOWN, "utf-8"));

function stepOf({ description, arrays }) {
  const held = new Arrays();
  for (const { side, name, dtype, data } of arrays) {
    const bytes = Uint8Array.from(Buffer.from(data, "base64"));
    held.set(side, name, arrayOf(dtype, bytes.buffer, 0, bytes.length));
  }
  return new Step(description, held);
}

export const step = stepOf(known.step);

/** A step of layers as users write them, whose names are those of other functions. */
export const own = stepOf(known.own.step);

/** A step in which formulas, gates and labels make gradients 0. */
export const zeroed = stepOf(known.zeroed.step);

/** A step of a network with several outputs. */
export const forked = stepOf(known.forked.step);

/** Both sides count in float64; a sum is compared relative to what is added. */
export function close(got, expected, where, scale = 0) {
  const allowed = 1e-11 * Math.max(Math.abs(expected), scale);
  assert.ok(Math.abs(got - expected) <= allowed, `${where}: ${got} instead of ${expected}`);
}

/** Every element close, relative to the largest. */
export function allClose(got, expected, where) {
  assert.equal(got.length, expected.length, where);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  got.forEach((value, place) => close(value, expected[place], `${where} ${place}`, largest));
}

/** Whether two facts are the same, but for how the products were added up. */
export function alike(one, other) {
  if (typeof one === "number" && typeof other === "number") {
    return Math.abs(one - other) <= 1e-9 * Math.abs(other);
  }
  if (typeof one !== "object" || one === null || other === null) return one === other;
  const keys = Object.keys(one).sort();
  if (keys.join() !== Object.keys(other).sort().join()) return false;
  return keys.every((key) => alike(one[key], other[key]));
}
