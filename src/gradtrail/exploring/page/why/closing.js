// What closes every path between a gradient of zero and the loss.
//
// The element's own products are looked at one by one; from there on, all elements that a path still
// reaches go through the layers together, as a mask: what a factor of 0 stops is counted, what is left
// goes on. Where nothing is left, the causes are known.

import {
  accessOf,
  indexOf,
  placeOf,
  plain,
  rangesOf,
  real,
  shapeOf,
  sizeOf,
  sparseOf,
} from "gradtrail/equation/affine.js";
import { tiesSamples } from "gradtrail/equation/over-axes.js";
import { Part, placesOf } from "gradtrail/step/step.js";
import {
  coefficientClause,
  factorClause,
  lostClause,
  saturatedClause,
  unreadClause,
  uncountedClause,
  unweightedClause,
} from "gradtrail/why/clauses.js";
import { adjointsOf, nonzeroOf, remembered } from "gradtrail/why/known.js";
import { countedWeights, differing } from "gradtrail/why/loss-weights.js";
import { any, behind, both, countOf, coverage, met, readBy, stoppedBy } from "gradtrail/why/masks.js";
import { windowsOf } from "gradtrail/why/windows.js";

/**
 * The causes, nearest the element first; none where something reaches the loss.
 * @param step the step
 * @param {string} name the array whose gradient is zero
 * @param {number[]} index which element
 */
export function closedPaths(step, name, index) {
  return new Search(step, name, index).closed();
}

/** Masks of what is still reached, array by array, from the element towards the loss. */
class Search {
  constructor(step, name, index) {
    Object.assign(this, { step, name, index });
    this.sample = this.onlySample();
    this.reached = new Map();
    this.open = false;
  }

  /** The one sample that the element lies in, or null for all. */
  onlySample() {
    const { nodes, input } = this.step.description;
    const coupled = nodes.some((node) => tiesSamples(node.equation));
    const between = this.name === input || nodes.some((node) => node.arrays[node.target] === this.name);
    return between && !coupled && this.index.length > 1 ? this.index[0] : null;
  }

  /** Everything that stops something; empty where a path is open to the end. */
  closed() {
    const found = [];
    const sends = adjointsOf(this.step);
    for (const node of this.step.description.nodes) {
      const here = [];
      for (const sent of sends.get(node.name) ?? []) {
        if (sent.receives === this.name) here.push(...this.first(sent));
        else if (this.reached.has(sent.receives))
          here.push(...this.through(sent, this.reached.get(sent.receives)));
      }
      const last = !this.reached.has(node.arrays[node.target]);
      const once = new Map();
      for (const one of here.sort((a, b) => a.fact.count - b.fact.count))
        once.set(`${one.fact.kind} ${one.example.name}`, one);
      for (const one of once.values()) found.push({ ...one, last });
    }
    return this.open ? [] : found;
  }

  /** What passes a node goes on from its output. */
  reach({ arrays, target }, mask) {
    if (!any(mask)) return;
    const known = this.reached.get(arrays[target]);
    this.reached.set(arrays[target], known ? both(known, mask) : mask);
  }

  /** A shape with samples on its first axis, of those that matter. */
  sized(shape) {
    return this.sample === null ? shape : [1, ...shape.slice(1)];
  }

  /** The part of an array with samples on its first axis that belongs to those that matter. */
  ofSample(array, shape) {
    if (this.sample === null) return array;
    const size = sizeOf(shape.slice(1));
    return array.subarray(this.sample * size, (this.sample + 1) * size);
  }

  value(name) {
    return this.ofSample(this.step.array("value", name), this.step.shape(name));
  }

  /** The element at a place in an array of the samples that matter, its sample counted in the batch. */
  element(name, shape, place) {
    const index = indexOf(shape, place);
    const whole = this.step.shape(name);
    if (whole.length && shape[0] !== whole[0]) index[0] += this.sample;
    return { side: "value", name, index };
  }

  /** The first element of a mask. */
  example(name, { shape, held }) {
    return this.element(name, shape, held.indexOf(1));
  }

  // -- the element's own products -------------------------------------------------------------

  first(sent) {
    const parts = sent.equation.terms.map(
      (_, number) => new Part(this.step, sent.sum, number, null, this.index),
    );
    if (!parts.some((part) => part.length)) return [unreadClause(sent, 1, this.index)];
    if (sent.node.equation.type === "Loss") return this.loss(sent, this.only());
    if (sent.node.equation.type === "Selection") {
      const { found, left } = this.selection(sent, this.only(), this.index);
      this.reach(sent.node, left);
      return found;
    }
    if (sent.node.kind === "JointLoss" && !parts.some((part) => part.scale)) {
      return [uncountedClause(this.name, 1, { name: this.name, index: this.index })];
    }
    return parts.filter((part) => part.length).flatMap((part) => this.walk(sent, part));
  }

  only() {
    const shape = this.step.shape(this.name);
    const held = new Uint8Array(sizeOf(shape));
    held[placeOf(shape, this.index)] = 1;
    return { shape: this.sized(shape), held: this.ofSample(held, shape) };
  }

  /** One part of the element: each of its products, factor by factor. */
  walk(sent, part) {
    if (part.scale === 0) return [coefficientClause(sent, part.length, this, part.length)];
    const gradient = part.operands.find((operand) => operand.side === "grad");
    const shut = new Uint8Array(part.length);
    const stopped = [];
    for (const operand of part.operands.filter((one) => one !== gradient)) {
      const values = operand.values(part.points);
      let count = 0;
      let at = -1;
      for (let i = 0; i < values.length; i++) {
        if (values[i] !== 0 || shut[i]) continue;
        shut[i] = 1;
        if (count++ === 0) at = i;
      }
      if (count) stopped.push({ operand, count, at });
    }
    const held = new Uint8Array(gradient.array.length);
    const places = placesOf(gradient.access, gradient.shape, part.points);
    for (let i = 0; i < places.length; i++) if (!shut[i]) held[places[i]] = 1;
    this.reach(sent.node, { shape: this.sized(gradient.shape), held: this.ofSample(held, gradient.shape) });
    return stopped.map(({ operand, count, at }) => {
      const { index } = operand.at(part.points.at(at));
      return factorClause(this.step, sent, operand.factor, count, index, part.length);
    });
  }

  // -- whole masks ----------------------------------------------------------------------------

  /** What becomes of a mask at one reader of its array. */
  through(sent, mask) {
    if (sent.node.equation.type === "Loss") return this.loss(sent, mask);
    const { found, left } = remembered(this.step, sent, this.sample, mask, () => this.passed(sent, mask));
    this.reach(sent.node, left);
    return found;
  }

  /** What stops something of a mask, and what is left of it. */
  passed(sent, mask) {
    const found = this.uncovered(sent, mask);
    if (sent.node.equation.type === "Selection") {
      const { found: lost, left } = this.selection(sent, mask, null);
      return { found: [...found, ...lost], left };
    }
    const terms = sent.equation.terms.map((term) => this.term(sent, term, mask));
    return {
      found: [...found, ...terms.flatMap((one) => one.found)],
      left: terms.map((one) => one.left).reduce(both),
    };
  }

  /** Elements that the layer does not read at all. */
  uncovered(sent, mask) {
    const read = coverage(sent.equation, mask.shape);
    if (read === null) return [];
    const lost = { shape: mask.shape, held: mask.held.slice() };
    for (let i = 0; i < read.held.length; i++) if (read.held[i]) lost.held[i] = 0;
    if (!any(lost)) return [];
    return [unreadClause(sent, countOf(lost), this.example(sent.receives, lost).index)];
  }

  /** One term: which of its factors are 0 on the way, and what is reached behind them. */
  term(sent, term, mask) {
    const { equation, node } = sent;
    const ranges = this.sample === null ? rangesOf(equation) : { ...rangesOf(equation), n: 1 };
    const shape = (access) => {
      const whole = shapeOf(equation, access.array);
      return access.positions.length && plain(access.positions[0]) === "n" ? this.sized(whole) : whole;
    };
    const delta = `d${node.target}`;
    const gradient = accessOf(term.factors.find((one) => accessOf(one).array === delta));
    if (real(term.scale) === 0) {
      const left = { shape: shape(gradient), held: new Uint8Array(sizeOf(shape(gradient))) };
      return { found: this.multipliedByZero(sent, term, mask), left };
    }
    const masked = (factor) => {
      const access = accessOf(factor);
      return { access, mask: { shape: shape(access), held: this.nonzero(node, factor) } };
    };
    const found = [];
    const factors = [{ access: term.target, mask }, ...sparseOf(term.factors).map(masked)];
    const there = [...factors];
    const others = term.factors.filter((one) => one.type !== "Sparse" && accessOf(one).array !== delta);
    for (const factor of others) {
      const { access, mask: nonzero } = masked(factor);
      if (!nonzero.held.includes(0)) continue;
      factors.push({ access, mask: nonzero });
      const { count, of, at } = stoppedBy(nonzero.held, met(access, nonzero.shape, there, ranges).held);
      if (count === 0) continue;
      const { index } = this.element(node.arrays[access.array], nonzero.shape, at);
      found.push(factorClause(this.step, sent, factor, count, index, of));
    }
    return { found, left: behind(gradient, shape(gradient), factors, ranges) };
  }

  /** What a term whose coefficient is 0 stops: all of a mask that it reads. */
  multipliedByZero(sent, term, mask) {
    const read = readBy(term, sent.equation, mask.shape);
    const lost = { shape: mask.shape, held: mask.held.map((one, i) => one & read.held[i]) };
    if (!any(lost)) return [];
    const count = countOf(lost);
    return [coefficientClause(sent, count, this.example(sent.receives, lost), count)];
  }

  /** Where a factor is not 0, of the samples that matter. */
  nonzero(node, factor) {
    const access = accessOf(factor);
    const name = node.arrays[access.array];
    const held = nonzeroOf(this.step, name, factor);
    const bySample = access.positions.length > 0 && ["n", "n′"].includes(plain(access.positions[0]));
    return bySample ? this.ofSample(held, this.step.shape(name)) : held;
  }

  // -- particular layers ----------------------------------------------------------------------

  /** A maximum: who won each window that the mask takes part in. */
  selection(sent, mask, asked) {
    const { node, receives } = sent;
    const output = node.arrays[node.target];
    const held = { mask: mask.held, source: this.value(receives), best: this.value(output) };
    held.winner = this.value(node.arrays[node.equation.winner]);
    const shape = this.sized(this.step.shape(output));
    const { passed, lost, tied } = windowsOf(node.equation, held, shape);
    const found = [];
    for (const [cause, windows] of [
      ["lost maximum", lost],
      ["lost tie", tied],
    ]) {
      if (windows.length === 0) continue;
      const { index } = this.element(output, shape, windows[0].window);
      found.push(lostClause(this.step, sent, cause, windows.length, index, windows[0].place, asked));
    }
    return { found, left: { shape, held: passed } };
  }

  /** The end: what comes back from the loss is 0, or a path was open. */
  loss(sent, mask) {
    const { equation, arrays } = sent.node;
    const delta = this.ofSample(this.step.sentBack(sent), this.step.shape(sent.receives));
    if (mask.held.some((one, i) => one && delta[i] !== 0)) {
      this.open = true;
      return [];
    }
    if (equation.part && this.step.array("grad", arrays[sent.node.target])[0] === 0) {
      const place = this.example(sent.receives, mask);
      return [uncountedClause(arrays[sent.node.target], countOf(mask), place)];
    }
    const value = (name) => this.value(name);
    const weights = countedWeights(sent.node, value, mask.shape);
    const counts = (place) => weights === null || weights.held[weights.placeOf(place)] !== 0;
    const differs = differing(sent.node, value, weights);
    const part = (wanted) => ({
      shape: mask.shape,
      held: mask.held.map((one, i) => (one && counts(i) === wanted ? 1 : 0)),
    });
    const found = [];
    const level = part(true);
    if (level.held.some((one, place) => one && differs(place))) {
      this.open = true; // what comes back is too small for its precision
      return [];
    }
    if (any(level)) {
      const { index } = this.example(sent.receives, level);
      found.push(saturatedClause(this.step, sent, countOf(level), index));
    }
    const left = part(false);
    if (any(left)) {
      const reached = new Set();
      left.held.forEach((one, place) => one && reached.add(weights.placeOf(place)));
      const place = this.example(sent.receives, left);
      found.push(unweightedClause(sent, countOf(left), place, reached.size));
    }
    return found;
  }
}
