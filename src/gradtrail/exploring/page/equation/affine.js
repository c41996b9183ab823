// Positions such as y·s + i·d − p: the JSON of `gradtrail.equation`, evaluated.
//
// n, c, y, x, … are the equation's index names; a point gives each of them a value.

import { once } from "gradtrail/equation/once.js";

/** The value of an exact number: an integer, or a fraction written "1/64". */
export function real(number) {
  const { value } = number;
  if (typeof value === "number") return value;
  const [above, below] = value.value.split("/").map(Number);
  return above / below;
}

const numbersOf = once((position) => ({
  names: position.terms.map(([name]) => name),
  factors: position.terms.map(([, number]) => real(number)),
  offset: real(position.offset),
  divisor: real(position.divisor),
}));

/**
 * A position as plain numbers: Σ factors·names + offset, over divisor.
 * @param position the JSON of one, or such numbers already
 * @returns {{names: string[], factors: number[], offset: number, divisor: number}}
 */
export function affine(position) {
  return position.factors ? position : numbersOf(position);
}

/** How much one step of `name` moves a position (0 where the name does not occur). */
export function factorOf(position, name) {
  const { names, factors } = affine(position);
  const place = names.indexOf(name);
  return place < 0 ? 0 : factors[place];
}

/** The position at a point, or null where the division leaves a remainder. */
export function positionAt(position, point) {
  const { names, factors, offset, divisor } = affine(position);
  let total = offset;
  for (let i = 0; i < names.length; i++) total += factors[i] * point[names[i]];
  if (divisor === 1) return total;
  return total % divisor === 0 ? total / divisor : null;
}

/** The least and the greatest that Σ factors·names comes to; `ends` gives an index's least and greatest. */
export function extremes({ names, factors }, ends) {
  let low = 0;
  let high = 0;
  names.forEach((name, i) => {
    const [first, last] = ends(name);
    low += Math.min(factors[i] * first, factors[i] * last);
    high += Math.max(factors[i] * first, factors[i] * last);
  });
  return [low, high];
}

/** The least and the greatest position over all ranges, rounded inwards. */
export function bounds(position, ranges) {
  const { offset, divisor } = affine(position);
  const [low, high] = extremes(affine(position), (name) => [0, ranges[name] - 1]);
  return [Math.ceil((offset + low) / divisor), Math.floor((offset + high) / divisor)];
}

/** The one index that a position consists of, or null. */
export function plain(position) {
  const { names, factors, offset, divisor } = affine(position);
  return names.length === 1 && factors[0] === 1 && offset === 0 && divisor === 1 ? names[0] : null;
}

/** The access of a factor: itself, or what its function or its comparison reads. */
export function accessOf(factor) {
  return factor.type === "Access" ? factor : factor.access;
}

/** The element that an access leads to at a point; it may lie in the padding. */
export function elementAt(access, point) {
  return access.positions.map((position) => positionAt(position, point));
}

/** The names that occur in an access, in order of appearance. */
export function namesOfAccess(access) {
  return [...new Set(access.positions.flatMap((position) => affine(position).names))];
}

/** All names of a term, those of its target first. */
export function namesOfTerm(term) {
  const names = namesOfAccess(term.target);
  for (const factor of term.factors) {
    names.push(...namesOfAccess(accessOf(factor)));
    if (factor.type === "Indicator") names.push(...affine(factor.value).names);
  }
  return [...new Set(names)];
}

/** The factors of a term that are constants of its equation, few of which are not 0. */
export function sparseOf(factors) {
  return factors.filter((factor) => factor.type === "Sparse");
}

/**
 * For each index of a constant, the least and the greatest value of the other whose number is not 0.
 * @returns {{names: string[], other: Object<string, string>, spans: Object<string, number[][]>}}
 */
export const spansOf = once((factor) => {
  const names = namesOfAccess(factor.access);
  const [row, column] = names;
  const spans = { [row]: [], [column]: [] };
  factor.rows.forEach(([start, numbers], at) => {
    spans[row][at] = [start, start + numbers.length - 1];
    numbers.forEach((number, place) => {
      if (number === 0) return;
      spans[column][start + place] ??= [at, at];
      spans[column][start + place][1] = at;
    });
  });
  return { names, other: { [row]: column, [column]: row }, spans };
});

/** A constant's number for a value of its row's index and one of its column's. */
export function numberAt(factor, row, column) {
  const [start, numbers] = factor.rows[row];
  return numbers[column - start] ?? 0;
}

/** Index name → how many values it takes; of a normalisation, n′ runs as n does. */
export const rangesOf = once((equation) => Object.fromEntries(equation.ranges));

/** The shape of one of an equation's arrays. */
export function shapeOf(equation, letter) {
  return equation.shapes.find(([name]) => name === letter)[1];
}

/** The least and the greatest of some numbers, without NaN; infinite where there are none. */
export function extentOf(numbers) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of numbers) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** How many elements a shape has. */
export function sizeOf(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

/** How far one step along each axis moves in an array laid out row by row. */
export function stridesOf(shape) {
  const strides = new Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/** Where an access leads in its array laid out row by row, as one position: Σ strides·positions. */
export function placeAlong(access, shape) {
  const strides = stridesOf(shape);
  const summed = (part) =>
    access.positions.reduce((sum, position, axis) => sum + strides[axis] * part(position), 0);
  const names = namesOfAccess(access);
  return {
    names,
    factors: names.map((name) => summed((position) => factorOf(position, name))),
    offset: summed((position) => affine(position).offset),
    divisor: 1,
  };
}

/** Where an element lies in an array laid out row by row. */
export function placeOf(shape, index) {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis++) place = place * shape[axis] + index[axis];
  return place;
}

/** The element that lies at a place. */
export function indexOf(shape, place) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = place % shape[axis];
    place = Math.floor(place / shape[axis]);
  }
  return index;
}
