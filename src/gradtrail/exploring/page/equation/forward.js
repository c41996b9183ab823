// One equation forward: its target and what it saves, by letter. All arrays are laid out row by row.

import { affine, shapeOf, sizeOf } from "gradtrail/equation/affine.js";
import { contract } from "gradtrail/equation/contract.js";
import { normalise, soften } from "gradtrail/equation/over-axes.js";
import { compiled } from "gradtrail/equation/scalar.js";
import { windowTable } from "gradtrail/equation/windows.js";

/**
 * @param equation the JSON of any kind of equation
 * @param {(letter: string) => ArrayLike<number>} read the operands, and what is given
 * @returns {Object<string, Float64Array>}
 */
export function forward(equation, read) {
  switch (equation.type) {
    case "Contraction":
      return { [equation.terms[0].target.array]: contract(equation, read) };
    case "Selection":
      return select(equation, read(equation.source.array));
    case "Normalisation":
      return normalise(equation, read);
    case "Softmax":
      return soften(equation, read);
    case "Loss":
      return LOSSES[equation.rule](equation, read);
    default:
      throw new Error(`${equation.type} is no kind of equation`);
  }
}

/** The first maximum of each window; nothing outside the array takes part, and a NaN wins. */
function select(equation, source) {
  const { table, points, size } = windowTable(equation);
  const windows = table.length / points;
  const total = (source.length / size) * windows;
  const [found, winner] = [new Float64Array(total), new Float64Array(total)];
  for (let to = 0; to < total; to++) {
    const row = (to % windows) * points;
    const start = Math.floor(to / windows) * size;
    let best = -1;
    let greatest = 0;
    for (let which = 0; which < points; which++) {
      if (table[row + which] < 0) continue;
      const value = source[start + table[row + which]];
      if (best < 0 || value > greatest || (Number.isNaN(value) && !Number.isNaN(greatest))) {
        best = which;
        greatest = value;
      }
    }
    found[to] = greatest;
    winner[to] = best;
  }
  return { [equation.result.array]: found, [equation.winner]: winner };
}

/**
 * The logarithms of the softmax over the second axis, by log-sum-exp.
 * @param {ArrayLike<number>} outputs of samples, classes and positions, row by row
 * @param {number} classes
 * @param {number} positions
 */
export function logSoftmax(outputs, classes, positions = 1) {
  const found = new Float64Array(outputs.length);
  const size = classes * positions;
  for (
    let first = 0;
    first < outputs.length;
    first += first % size === positions - 1 ? size - positions + 1 : 1
  ) {
    const last = first + size;
    let greatest = -Infinity;
    for (let at = first; at < last; at += positions) greatest = Math.max(greatest, outputs[at]);
    let total = 0;
    for (let at = first; at < last; at += positions) total += Math.exp(outputs[at] - greatest);
    const logarithm = Math.log(total);
    for (let at = first; at < last; at += positions) found[at] = outputs[at] - greatest - logarithm;
  }
  return found;
}

function crossEntropy(equation, read) {
  const [samples, classes, ...places] = shapeOf(equation, equation.source.array);
  const positions = sizeOf(places);
  const target = read(equation.labels);
  const logarithms = logSoftmax(read(equation.source.array), classes, positions);
  let total = 0;
  // a class without weight adds nothing, however improbable it is
  for (let i = 0; i < target.length; i++) if (target[i] !== 0) total += target[i] * logarithms[i];
  const found = {
    [equation.result.array]: Float64Array.of(0 - total / (samples * positions)),
    [equation.probabilities]: logarithms.map(Math.exp),
  };
  if (equation.weight) {
    const sums = new Float64Array(samples * positions);
    for (let i = 0; i < target.length; i++) {
      const sample = Math.floor(i / (classes * positions));
      sums[sample * positions + (i % positions)] += target[i];
    }
    found[equation.weight] = sums;
  }
  return found;
}

function squaredError(equation, read) {
  const source = read(equation.source.array);
  const target = read(equation.labels);
  const weight = equation.weight && read(equation.weight); // one for each sample
  const size = source.length / shapeOf(equation, equation.source.array)[0];
  let total = 0;
  for (let i = 0; i < source.length; i++) {
    total += (weight ? weight[Math.floor(i / size)] : 1) * (source[i] - target[i]) ** 2;
  }
  return { [equation.result.array]: Float64Array.of(total / source.length) };
}

/** What each element adds by itself: the mean of a penalty of z, t and constants. */
function penalties(equation, read) {
  const { source, penalty, constants } = equation;
  const [value, slope] = [penalty.body, penalty.slope].map((body) => compiled(body));
  const shape = shapeOf(equation, source.array);
  const [outputs, targets] = [read(source.array), read(equation.labels)];
  const names = source.positions.map((position) => affine(position).names[0]);
  const beside = constants.map(([variable, access]) => {
    const shown = access.positions.map((position) => names.indexOf(affine(position).names[0]));
    return { variable, shown, sizes: shown.map((axis) => shape[axis]), held: read(access.array) };
  });
  const [each, slopes] = [new Float64Array(outputs.length), new Float64Array(outputs.length)];
  const variables = {};
  for (let i = 0; i < outputs.length; i++) {
    variables.z = outputs[i];
    variables.t = targets[i];
    for (const { variable, shown, sizes, held } of beside) {
      const index = indexOf(i, shape);
      variables[variable] = held[shown.reduce((at, axis, n) => at * sizes[n] + index[axis], 0)];
    }
    each[i] = value(variables);
    slopes[i] = slope(variables);
  }
  return elements(equation, each, slopes, outputs.length);
}

/** The index of a place in an array laid out row by row. */
function indexOf(place, shape) {
  const index = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = place % shape[axis];
    place = Math.floor(place / shape[axis]);
  }
  return index;
}

/** The loss as the mean of what each element adds, with the slopes along the outputs. */
function elements(equation, each, slopes, count) {
  const total = each.reduce((sum, one) => sum + one, 0);
  return {
    [equation.result.array]: Float64Array.of(total / count),
    [equation.elements]: each,
    [equation.slopes]: slopes,
  };
}

/** A penalty of the softmax's logarithms, times the targets. */
function softmaxPenalties(equation, read) {
  const [samples, classes, ...places] = shapeOf(equation, equation.source.array);
  const positions = sizeOf(places);
  const target = read(equation.labels);
  const logarithms = logSoftmax(read(equation.source.array), classes, positions);
  const chances = logarithms.map(Math.exp);
  const of = (body) => {
    const one = compiled(body);
    return logarithms.map((z, i) => (target[i] === 0 ? 0 : target[i] * one({ z })));
  };
  const [each, along] = [of(equation.penalty.body), of(equation.penalty.slope)];
  const ones = along.map(() => 1);
  const sums = overClasses(along, ones, classes, positions);
  const slopes = along.map((g, i) => g - chances[i] * sums[i]);
  const found = elements(equation, each, slopes, samples * positions);
  return { ...found, [equation.probabilities]: chances };
}

/** Σ_k a·b of an element's sample and position, at each element. */
function overClasses(a, b, classes, positions) {
  const sums = new Map();
  const key = (i) => Math.floor(i / (classes * positions)) * positions + (i % positions);
  a.forEach((one, i) => sums.set(key(i), (sums.get(key(i)) ?? 0) + one * b[i]));
  return a.map((_, i) => sums.get(key(i)));
}

/** 1 − the overlap of every sample and class, over positions. */
function overlaps(equation, read) {
  const [samples, classes, ...places] = shapeOf(equation, equation.source.array);
  const positions = sizeOf(places);
  const [outputs, target] = [read(equation.source.array), read(equation.labels)];
  const softmax = equation.rule === "softmax overlap";
  const chances = softmax
    ? logSoftmax(outputs, classes, positions).map(Math.exp)
    : Float64Array.from(outputs, (z) => 1 / (1 + Math.exp(-z)));
  const each = new Float64Array(samples * classes);
  const along = new Float64Array(outputs.length);
  each.forEach((_, map) => {
    let [both, whole] = [equation.smooth, equation.smooth];
    for (let i = map * positions; i < (map + 1) * positions; i++) {
      both += 2 * chances[i] * target[i];
      whole += chances[i] + target[i];
    }
    each[map] = 1 - both / whole;
    for (let i = map * positions; i < (map + 1) * positions; i++) {
      along[i] = (both - 2 * target[i] * whole) / whole ** 2;
    }
  });
  const sums = softmax ? overClasses(chances, along, classes, positions) : null;
  const slopes = along.map((g, i) => chances[i] * (softmax ? g - sums[i] : g * (1 - chances[i])));
  const found = elements(equation, each, slopes, samples * classes);
  return { ...found, [equation.probabilities]: chances };
}

const LOSSES = {
  "softmax cross-entropy": crossEntropy,
  "squared error": squaredError,
  pointwise: penalties,
  "softmax pointwise": softmaxPenalties,
  "softmax overlap": overlaps,
  "sigmoid overlap": overlaps,
};
