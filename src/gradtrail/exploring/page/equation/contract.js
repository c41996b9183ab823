// A whole contraction: every product of every term, added where its target leads.
//
// Each term becomes a nest of loops over its indices. An array's element moves by a fixed step with
// each index; where a position may leave its array, the loop over the last of its indices is cut to
// what stays inside, so that nothing in the padding is ever visited.

import {
  accessOf,
  affine,
  bounds,
  factorOf,
  namesOfTerm,
  placeAlong,
  rangesOf,
  real,
  shapeOf,
  sizeOf,
  spansOf,
  sparseOf,
} from "gradtrail/equation/affine.js";
import { functionOf } from "gradtrail/equation/scalar.js";

/**
 * The target of a contraction in scatter form.
 * @param equation the JSON of a Contraction
 * @param {(letter: string) => ArrayLike<number>} read the factors' arrays, laid out row by row
 * @returns {Float64Array}
 */
export function contract(equation, read) {
  const target = equation.terms[0].target.array;
  const found = new Float64Array(sizeOf(shapeOf(equation, target)));
  for (const term of equation.terms) addTerm(term, equation, read, found);
  return found;
}

function addTerm(term, equation, read, target) {
  const ranges = rangesOf(equation);
  const names = ordered(namesOfTerm(term), ranges);
  const to = placeAlong(term.target, shapeOf(equation, term.target.array));
  const nest = {
    sizes: names.map((name) => ranges[name]),
    clips: clipsOf(term, equation, names),
    values: new Int32Array(names.length),
    scale: real(term.scale),
    target,
    to: names.map((name) => factorOf(to, name)),
    factors: term.factors.map((factor) => prepared(factor, equation, read, names)),
  };
  const [offsets, wanted] = ["offset", "wanted"].map((key) => nest.factors.map((factor) => factor[key]));
  if (names.length === 0) addProduct(nest, to.offset, offsets, wanted);
  else if (offsets.length === 2 && nest.factors.every((factor) => !factor.gate))
    walkTwo(nest, 0, to.offset, offsets[0], offsets[1]);
  else walk(nest, 0, to.offset, offsets, wanted);
}

/** The index with the longest range innermost. */
function ordered(names, ranges) {
  let longest = names.length - 1;
  for (let i = names.length - 1; i >= 0; i--) if (ranges[names[i]] > ranges[names[longest]]) longest = i;
  return [...names.slice(0, longest), ...names.slice(longest + 1), ...names.slice(longest, longest + 1)];
}

/** A factor: its array with its function applied; of a comparison, what the array must hold. */
function prepared(factor, equation, read, names) {
  const access = accessOf(factor);
  const place = placeAlong(access, shapeOf(equation, access.array));
  let array = read(access.array);
  if (factor.type === "Applied") {
    array = Float64Array.from(array, functionOf(factor.function.body, array instanceof Float32Array));
  }
  const compares = factor.type === "Indicator";
  return {
    array,
    steps: names.map((name) => factorOf(place, name)),
    offset: place.offset,
    gate: factor.type !== "Access",
    compares,
    wanted: compares ? affine(factor.value).offset : 0,
    wantedSteps: names.map((name) => (compares ? factorOf(factor.value, name) : 0)),
  };
}

/** For each loop, the conditions that are decided there: all their other indices are outside it. */
function clipsOf(term, equation, names) {
  const ranges = rangesOf(equation);
  const clips = names.map(() => []);
  for (const access of [term.target, ...term.factors.map(accessOf)]) {
    const shape = shapeOf(equation, access.array);
    access.positions.forEach((position, axis) => {
      const [low, high] = bounds(position, ranges);
      if (low >= 0 && high < shape[axis]) return;
      const factors = names.map((name) => factorOf(position, name));
      const level = factors.findLastIndex((factor) => factor !== 0);
      clips[level].push({ factors, offset: affine(position).offset, size: shape[axis] });
    });
  }
  for (const factor of sparseOf(term.factors)) {
    const { names: tied, spans } = spansOf(factor);
    const [first, last] = tied.map((name) => names.indexOf(name)).sort((a, b) => a - b);
    clips[last].push({ outer: first, spans: spans[names[first]] });
  }
  return clips;
}

/** The part of a loop that stays inside every array. */
function cut(nest, level) {
  let low = 0;
  let high = nest.sizes[level];
  for (const { factors, offset, size, outer, spans } of nest.clips[level]) {
    if (spans) {
      const [first, last] = spans[nest.values[outer]] ?? [0, -1];
      low = Math.max(low, first);
      high = Math.min(high, last + 1);
      continue;
    }
    let fixed = offset;
    for (let outer = 0; outer < level; outer++) fixed += factors[outer] * nest.values[outer];
    const first = -fixed / factors[level];
    const last = (size - 1 - fixed) / factors[level];
    low = Math.max(low, Math.ceil(Math.min(first, last)));
    high = Math.min(high, Math.floor(Math.max(first, last)) + 1);
  }
  return [low, Math.max(low, high)];
}

/** One loop with all loops inside it, of a product of two plain factors: most of what there is. */
function walkTwo(nest, level, to, atA, atB) {
  let low = 0;
  let high = nest.sizes[level];
  if (nest.clips[level].length) [low, high] = cut(nest, level);
  const step = nest.to[level];
  const [stepA, stepB] = [nest.factors[0].steps[level], nest.factors[1].steps[level]];
  if (level === nest.sizes.length - 1) {
    innermost(nest, to + low * step, atA + low * stepA, atB + low * stepB, high - low);
    return;
  }
  for (let value = low; value < high; value++) {
    nest.values[level] = value;
    walkTwo(nest, level + 1, to + value * step, atA + value * stepA, atB + value * stepB);
  }
}

function innermost({ target, scale, to: steps, factors }, to, atA, atB, length) {
  const level = steps.length - 1;
  const [step, stepA, stepB] = [steps[level], factors[0].steps[level], factors[1].steps[level]];
  const [a, b] = [factors[0].array, factors[1].array];
  if (step === 0) {
    let total = 0;
    for (let i = 0; i < length; i++) total += a[atA + i * stepA] * b[atB + i * stepB];
    target[to] += scale * total;
    return;
  }
  for (let i = 0; i < length; i++) target[to + i * step] += scale * a[atA + i * stepA] * b[atB + i * stepB];
}

/** One loop with all loops inside it, of any product. */
function walk(nest, level, to, places, wanted) {
  const [low, high] = cut(nest, level);
  const { factors } = nest;
  const here = places.map((place, f) => place + low * factors[f].steps[level]);
  const want = wanted.map((value, f) => value + low * factors[f].wantedSteps[level]);
  const last = level === nest.sizes.length - 1;
  for (let value = low; value < high; value++) {
    nest.values[level] = value;
    if (last) addProduct(nest, to + value * nest.to[level], here, want);
    else walk(nest, level + 1, to + value * nest.to[level], here, want);
    for (let f = 0; f < factors.length; f++) {
      here[f] += factors[f].steps[level];
      want[f] += factors[f].wantedSteps[level];
    }
  }
}

/** One product; where a gate is 0 it is 0, whatever the others are. */
function addProduct(nest, to, places, wanted) {
  let total = nest.scale;
  for (let f = 0; f < nest.factors.length; f++) {
    const factor = nest.factors[f];
    const held = factor.array[places[f]];
    const value = factor.compares ? Number(held === wanted[f]) : held;
    if (factor.gate && value === 0) return;
    total *= value;
  }
  nest.target[to] += total;
}
