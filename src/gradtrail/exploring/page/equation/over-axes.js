// What weighs an element against others along some axes: normalisation over any of them, and softmax.

import { affine, namesOfAccess, placeAlong, rangesOf, shapeOf, sizeOf } from "gradtrail/equation/affine.js";

/** Whether an element meets those of other samples: a norm that takes the samples together. */
export function tiesSamples(equation) {
  if (equation.type !== "Normalisation") return false;
  const sample = affine(equation.source.positions[0]).names[0];
  return !namesOfAccess(equation.statistic).includes(sample);
}

/** Whether a norm subtracts a mean in which what is added to a whole channel is all there is. */
export function takesOff(equation) {
  if (equation.type !== "Normalisation" || !equation.mean) return false;
  const kept = namesOfAccess(equation.statistic);
  const ranges = rangesOf(equation);
  const { names } = affine(equation.source.positions[1]);
  return names.every((name) => kept.includes(name) || ranges[name] === 1);
}

/** For every point of the result's indices, row by row, where an access leads in its array. */
function placesOf(equation, access) {
  const names = namesOfAccess(equation.result);
  const ranges = rangesOf(equation);
  const along = placeAlong(access, shapeOf(equation, access.array));
  let places = Int32Array.of(along.offset);
  for (const name of names) {
    const factor = along.factors[along.names.indexOf(name)] ?? 0;
    const size = ranges[name];
    const longer = new Int32Array(places.length * size);
    places.forEach((place, at) => {
      for (let i = 0; i < size; i++) longer[at * size + i] = place + factor * i;
    });
    places = longer;
  }
  return places;
}

/** A normalisation with the biased variance, or with the mean of the squares. */
export function normalise(equation, read) {
  const { source, result, statistic, scale, shift } = equation;
  const x = read(source.array);
  const [from, to, group] = [source, result, statistic].map((access) => placesOf(equation, access));
  const groups = sizeOf(shapeOf(equation, statistic.array));
  const count = from.length / groups;
  const mean = new Float64Array(groups);
  if (equation.mean) from.forEach((place, i) => (mean[group[i]] += x[place] / count));
  const variance = new Float64Array(groups);
  from.forEach((place, i) => (variance[group[i]] += (x[place] - mean[group[i]]) ** 2 / count));
  const inverse = variance.map((v) => 1 / Math.sqrt(v + equation.epsilon));
  const [factors, shifts] = [scale, shift].map((access) => access && read(access.array));
  const [factorAt, shiftAt] = [scale, shift].map((access) => access && placesOf(equation, access));
  const normalised = new Float64Array(from.length);
  const found = new Float64Array(from.length);
  from.forEach((place, i) => {
    const u = (x[place] - mean[group[i]]) * inverse[group[i]];
    normalised[to[i]] = u;
    found[to[i]] = (scale ? factors[factorAt[i]] : 1) * u + (shift ? shifts[shiftAt[i]] : 0);
  });
  return {
    [result.array]: found,
    ...(equation.mean ? { [equation.mean]: mean } : {}),
    [statistic.array]: variance,
    [equation.inverse]: inverse,
    [equation.normalised]: normalised,
  };
}

/** A softmax or its logarithm, the greatest number taken off first. */
export function soften(equation, read) {
  const { source, result, along, log } = equation;
  const x = read(source.array);
  const [from, to] = [source, result].map((access) => placesOf(equation, access));
  // the points that are summed together have one place where the summed indices are taken for 0
  const together = result.positions.map((position) =>
    affine(position).names.some((name) => along.includes(name)) ? { ...position, terms: [] } : position,
  );
  const group = placesOf(equation, { ...result, positions: together });
  const greatest = new Float64Array(x.length).fill(-Infinity);
  from.forEach((place, i) => (greatest[group[i]] = Math.max(greatest[group[i]], x[place])));
  const total = new Float64Array(x.length);
  from.forEach((place, i) => (total[group[i]] += Math.exp(x[place] - greatest[group[i]])));
  const found = new Float64Array(x.length);
  from.forEach((place, i) => {
    const below = x[place] - greatest[group[i]];
    found[to[i]] = log ? below - Math.log(total[group[i]]) : Math.exp(below) / total[group[i]];
  });
  return { [result.array]: found };
}
