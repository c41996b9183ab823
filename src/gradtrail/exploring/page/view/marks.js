// What is drawn over the numbers: which elements are closed, who won a maximum, where there are ties.

import { accessOf, rangesOf } from "gradtrail/equation/affine.js";
import { placesOf } from "gradtrail/step/step.js";
import { functionOf } from "gradtrail/equation/scalar.js";
import { windowTable } from "gradtrail/equation/windows.js";

/** The adjoint of a pointwise layer: its slope and what the slope is taken of; null for other layers. */
function slopeOf(step, node) {
  if (node.equation.type !== "Contraction" || node.equation.terms.length !== 1) return null;
  const [sent] = step.description.backward.filter((one) => one.node === node.name);
  const applied = sent?.equation.terms[0].factors.find((factor) => factor.type === "Applied");
  return applied ? { body: applied.function.body, name: node.arrays[accessOf(applied).array] } : null;
}

/**
 * Where the pointwise layer that makes a value, or alone reads what a gradient is of, has the slope 0, so
 * that nothing comes back through it.
 * @returns {{name: string, shut: (value: number) => boolean} | null} the array that decides, and how
 */
export function closing(step, side, name) {
  if (side === "change") return null;
  const gates = step.description.nodes.filter(({ arrays, target, sources }) =>
    side === "value" ? arrays[target] === name : sources.some((letter) => arrays[letter] === name),
  );
  const gate = gates.length === 1 ? slopeOf(step, gates[0]) : null;
  if (!gate) return null;
  const slope = functionOf(gate.body);
  return { name: gate.name, shut: (value) => slope(value) === 0 };
}

/** The maximum that makes an array; null for other arrays. */
export function poolOf(step, name) {
  const node = step.producers.get(name);
  return node && node.equation.type === "Selection" && node.arrays[node.target] === name ? node : null;
}

/**
 * The window behind one element of a maximum: places in the array that it is taken of.
 * @returns {{source: string, winner: number, ties: number[]} | null} null for other elements
 */
export function contestOf(model, { name, index }) {
  const { step } = model;
  const node = poolOf(step, name);
  if (!node || !model.ready(model.needs({ side: "value", name, index }))) return null;
  const [part] = step.parts("value", name, index);
  const [won, read] = part.operands;
  const places = placesOf(read.access, read.shape, part.points);
  const winner = places[won.values(part.points).indexOf(1)];
  const ties = [...places].filter((place) => place !== winner && read.array[place] === read.array[winner]);
  return { source: read.name, winner, ties };
}

/**
 * The windows of a maximum over one sample.
 * @returns {{size: number[], winner: number[], tied: boolean[]}} the window's shape, and for each of the
 *   result's elements which point of it won, and whether another one is as great
 */
export function winnersOf(step, node, sample) {
  const { equation } = node;
  const { table, points, size } = windowTable(equation);
  const ranges = rangesOf(equation);
  const array = (letter, each) =>
    step.array("value", node.arrays[letter]).subarray(sample * each, (sample + 1) * each);
  const values = array(equation.source.array, size);
  const winner = Array.from(array(equation.winner, table.length / points));
  const tied = winner.map((won, window) => {
    const places = table.subarray(window * points, (window + 1) * points);
    const best = values[places[won]];
    return places.some((place, which) => which !== won && place >= 0 && values[place] === best);
  });
  return { size: equation.over.map((name) => ranges[name]), winner, tied };
}
