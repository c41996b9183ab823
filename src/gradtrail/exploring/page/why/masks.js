// Masks over arrays, and what becomes of them in one term of an equation.
//
// A mask is {shape, held}, laid out row by row: 1 where something is, else 0. What matters here is only
// which points exist, not what is multiplied there. So an index that stands in one place alone, such as c
// in dZ[n,k,y,x] ← dX[n,c,y+i,x+j], is summed or spread at once, and a convolution costs as much as its
// windows, whatever its channels.
//
// Masks have a number for each element of a batch, and every layer of a walk goes over some while the
// pointer moves. So their elements are walked in plain loops: reduce, map and every call a function for each
// and take three to ten times as long.

import {
  accessOf,
  affine,
  bounds,
  namesOfAccess,
  numberAt,
  plain,
  rangesOf,
  shapeOf,
  sizeOf,
} from "gradtrail/equation/affine.js";
import { contract } from "gradtrail/equation/contract.js";
import { once } from "gradtrail/equation/once.js";

const ONE = "1";

export const any = ({ held }) => held.includes(1);

/** How many elements a mask has. */
export function countOf({ held }) {
  let count = 0;
  for (let i = 0; i < held.length; i++) count += held[i];
  return count;
}

/** A mask of what is in either of two. */
export function both(a, b) {
  if (a === b) return a;
  const held = new Uint8Array(a.held.length);
  for (let i = 0; i < held.length; i++) held[i] = a.held[i] | b.held[i];
  return { shape: a.shape, held };
}

/** Of the points that come to a factor, how many there are, how many it stops, and the first place of these. */
export function stoppedBy(nonzero, met) {
  let count = 0;
  let of = 0;
  let at = -1;
  for (let i = 0; i < met.length; i++) {
    of += met[i];
    if (nonzero[i] || !met[i]) continue;
    count += met[i];
    if (at < 0) at = i;
  }
  return { count, of, at };
}

/** Whether a mask's access and another lead to the same places of arrays of the same shape. */
function alike({ access, mask }, target, shape) {
  const [names, others] = [access, target].map(({ positions }) => positions.map(plain));
  const same = names.every((name, axis) => name !== null && name === others[axis]);
  return same && names.length === others.length && mask.shape.join() === shape.join();
}

/**
 * Which elements of an array are met by the points at which all factors are.
 * @param target the access to that array
 * @param {number[]} shape its
 * @param {{access: object, mask: {shape: number[], held: ArrayLike<number>}}[]} factors
 * @param {Object<string, number>} ranges how many values each index takes
 * @returns {{shape: number[], held: Uint8Array}}
 */
export function behind(target, shape, factors, ranges) {
  if (factors.length && factors.every((factor) => alike(factor, target, shape))) {
    const [{ mask: first }, ...others] = factors;
    if (others.length === 0) return first;
    const held = first.held.slice();
    for (const { mask } of others) for (let i = 0; i < held.length; i++) held[i] &= mask.held[i];
    return { shape, held };
  }
  const { found, widen } = contracted(target, shape, factors, ranges);
  const held = new Uint8Array(found.held.length);
  for (let i = 0; i < held.length; i++) held[i] = found.held[i] > 0 ? 1 : 0;
  return widen({ shape: found.shape, held });
}

/** How often each element of an array is met by the points at which all factors are. */
export function met(target, shape, factors, ranges) {
  if (factors.length === 1 && alike(factors[0], target, shape)) return factors[0].mask;
  const { found, widen } = contracted(target, shape, factors, ranges);
  return widen(found);
}

/** The counts without the axes along which they are the same, and how to put those back. */
function contracted(target, shape, factors, ranges) {
  const accesses = [target, ...factors.map(({ access }) => access)];
  const left = factors.map(({ access, mask }) => {
    const axes = lonely(access, accesses);
    const held = axes.reduceRight((one, axis) => summed(one, axis, rangeAt(access, axis, ranges)), mask);
    return { access: without(access, axes), mask: held };
  });
  const axes = lonely(target, accesses);
  const kept = shape.filter((_, axis) => !axes.includes(axis));
  const found = { shape: kept, held: added(without(target, axes), left, ranges, kept) };
  const widen = (mask) =>
    axes.reduce((held, axis) => spread(held, axis, shape[axis], rangeAt(target, axis, ranges)), mask);
  return { found, widen };
}

/** The contraction of what is left. */
function added(target, factors, ranges, shape) {
  // Letters may stand for several masks here, so each factor has one of its own.
  const named = factors.map(({ access, mask }, place) => ({
    access: { ...access, array: `m${place}` },
    mask,
  }));
  const terms = named.map(({ access }) => access);
  // With a 1 beside it, a factor alone is a product of two, which is walked fastest.
  while (terms.length < 2) terms.push({ type: "Access", array: ONE, positions: [] });
  const equation = {
    terms: [{ target, factors: terms, scale: { value: 1 } }],
    ranges: Object.entries(ranges),
    shapes: [
      [target.array, shape],
      ...named.map(({ access, mask }) => [access.array, mask.shape]),
      [ONE, []],
    ],
  };
  const held = Object.fromEntries(named.map(({ access, mask }) => [access.array, mask.held]));
  return contract(equation, (letter) => (letter === ONE ? Float64Array.of(1) : held[letter]));
}

/** The axes of an access whose index stands alone there, and nowhere else. */
function lonely(access, accesses) {
  return access.positions.flatMap((position, axis) => {
    const name = plain(position);
    const elsewhere = accesses.some((other) => other !== access && namesOfAccess(other).includes(name));
    const again = access.positions.some(
      (other, place) => place !== axis && affine(other).names.includes(name),
    );
    return name === null || elsewhere || again ? [] : [axis];
  });
}

/** How many values the index of one axis takes. */
const rangeAt = (access, axis, ranges) => ranges[plain(access.positions[axis])];

function without(access, axes) {
  return { ...access, positions: access.positions.filter((_, axis) => !axes.includes(axis)) };
}

/** A mask without one axis: the sums over its first `size` places. */
function summed({ shape, held }, axis, size) {
  const left = shape.filter((_, place) => place !== axis);
  const inner = sizeOf(shape.slice(axis + 1));
  const found = new Float64Array(sizeOf(left));
  for (let to = 0; to < found.length; to += inner) {
    for (let row = 0; row < Math.min(size, shape[axis]); row++) {
      const from = to * shape[axis] + row * inner;
      for (let i = 0; i < inner; i++) found[to + i] += held[from + i];
    }
  }
  return { shape: left, held: found };
}

/** A mask with one axis more, the same at its first `size` places. */
function spread({ shape, held }, axis, length, size) {
  const longer = [...shape.slice(0, axis), length, ...shape.slice(axis)];
  const inner = sizeOf(shape.slice(axis));
  const found = new held.constructor(sizeOf(longer));
  for (let from = 0; from < held.length; from += inner) {
    for (let row = 0; row < Math.min(size, length); row++) {
      const to = from * length + row * inner;
      for (let i = 0; i < inner; i++) found[to + i] = held[from + i];
    }
  }
  return { shape: longer, held: found };
}

/** What is known of an adjoint, by the target's shape. */
const coveragesOf = once(() => new Map());

/**
 * Which elements of an adjoint's target its layer reads at all.
 * @param equation the adjoint
 * @param {number[]} shape the target's, of all samples or one
 * @returns {{shape: number[], held: Uint8Array} | null} 0 where no window leads; null where all are read
 */
export function coverage(equation, shape) {
  const known = coveragesOf(equation);
  const key = shape.join();
  if (!known.has(key)) {
    const read = equation.terms.map((term) => readBy(term, equation, shape)).reduce(both);
    known.set(key, read.held.includes(0) ? read : null);
  }
  return known.get(key);
}

/**
 * Which elements of an adjoint's target one of its terms has a product for.
 *
 * A position that never leaves its array makes no difference, and is left away.
 */
export function readBy(term, equation, shape) {
  const ranges = rangesOf(equation);
  const factors = term.factors.flatMap((factor) => {
    const access = accessOf(factor);
    const whole = shapeOf(equation, access.array);
    if (factor.type === "Sparse") return [{ access, mask: constantMask(factor, whole) }];
    const stays = access.positions.flatMap((position, axis) => {
      const [low, high] = bounds(position, ranges);
      return low >= 0 && high < whole[axis] ? [axis] : [];
    });
    if (stays.length === whole.length) return [];
    const left = whole.filter((_, axis) => !stays.includes(axis));
    return {
      access: without(access, stays),
      mask: { shape: left, held: new Uint8Array(sizeOf(left)).fill(1) },
    };
  });
  return behind(term.target, shape, factors, ranges);
}

/** Where a constant of the equation is not 0. */
function constantMask(factor, shape) {
  const [, columns] = shape;
  const held = new Uint8Array(sizeOf(shape));
  for (let i = 0; i < held.length; i++)
    held[i] = numberAt(factor, Math.floor(i / columns), i % columns) === 0 ? 0 : 1;
  return { shape, held };
}
