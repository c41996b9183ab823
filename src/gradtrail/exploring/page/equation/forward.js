// One equation forward: its target and what it saves, by letter. All arrays are laid out row by row.

import { shapeOf } from "gradtrail/equation/affine.js";
import { contract } from "gradtrail/equation/contract.js";
import { normalise, soften } from "gradtrail/equation/over-axes.js";
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
      return equation.probabilities ? crossEntropy(equation, read) : squaredError(equation, read);
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

/** The logarithms of the softmax of each row, by log-sum-exp. */
export function logSoftmax(outputs, classes) {
  const found = new Float64Array(outputs.length);
  for (let row = 0; row < outputs.length; row += classes) {
    let greatest = -Infinity;
    for (let k = 0; k < classes; k++) greatest = Math.max(greatest, outputs[row + k]);
    let total = 0;
    for (let k = 0; k < classes; k++) total += Math.exp(outputs[row + k] - greatest);
    const logarithm = Math.log(total);
    for (let k = 0; k < classes; k++) found[row + k] = outputs[row + k] - greatest - logarithm;
  }
  return found;
}

function crossEntropy(equation, read) {
  const [samples, classes] = shapeOf(equation, equation.source.array);
  const target = read(equation.labels);
  const logarithms = logSoftmax(read(equation.source.array), classes);
  let total = 0;
  // a class without weight adds nothing, however improbable it is
  for (let i = 0; i < target.length; i++) if (target[i] !== 0) total += target[i] * logarithms[i];
  const found = {
    [equation.result.array]: Float64Array.of(0 - total / samples),
    [equation.probabilities]: logarithms.map(Math.exp),
  };
  if (equation.weight) {
    const row = (n) => target.slice(n * classes, (n + 1) * classes).reduce((sum, share) => sum + share, 0);
    found[equation.weight] = Float64Array.from({ length: samples }, (_, n) => row(n));
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
