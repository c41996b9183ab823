// Why an element is what it is: what dominates it, or what made it zero or not finite.
//
// What is found are facts, the same as `gradtrail.tracing.why` finds; words/say.js makes sentences of them.

import { accessOf } from "gradtrail/equation/affine.js";
import { takesOff } from "gradtrail/equation/over-axes.js";
import { written } from "gradtrail/step/step.js";
import { Terms } from "gradtrail/step/terms.js";
import { rankOf } from "gradtrail/why/clauses.js";
import { closedPaths } from "gradtrail/why/closing.js";
import { nonfiniteSource, originOf } from "gradtrail/why/origin.js";
import { cancelling, productText } from "gradtrail/why/tables.js";
import { meetsTarget, sourceOfZero, reasonOfCancelling, reasonOfZero } from "gradtrail/why/zero.js";

/** Indices that say where in an array something lies; the first that vary are told. */
const PLACES = [
  ...[
    ["z", "y", "x"],
    ["t", "h", "w"],
    ["z′", "y′", "x′"],
  ],
  ...[["y", "x"], ["h", "w"], ["y′", "x′"], ["x"], ["w"], ["x′"], ["c"], ["k"], ["f"]],
];

/**
 * Why an element is what it is.
 * @param step the step
 * @param {"value"|"grad"} side
 * @param {string} name the array's
 * @param {number[]} index which element
 * @returns {{element: string, value: number, cause: string, fact: {kind: string},
 *     blocked: Object<string, number>, where: {side: string, name: string, index: number[]}[]}}
 *     `cause` is `sum` for a number that is not 0, `given`, `no sum`, `not finite`, or what made a zero;
 *     `blocked` how many products or positions each cause closes
 */
export function why(step, side, name, index) {
  const terms = new Terms(step, side, name, index);
  const found = {
    element: terms.element,
    value: terms.value === 0 ? 0 : terms.value,
    blocked: {},
    where: [],
    ...answerOf(terms),
  };
  const norms = normsBehind(terms);
  if (norms.length === 0 || found.cause === "not finite") return found;
  const { layer } = terms.parts[0].sum;
  return { ...found, fact: { kind: "taken off", answer: found.fact, norms, layer } };
}

/** The norms that alone read what a bias was added to and take it off; none for anything else. */
function normsBehind({ step, side, name, parts }) {
  if (side !== "grad" || parts.length !== 1 || step.arrays.get(name).role !== "parameter") return [];
  const [{ sum, term }] = parts;
  if (sum.given || term.factors.length !== 1 || term.target.positions.length !== 1) return [];
  const own = JSON.stringify(term.target.positions[0]);
  if (own !== JSON.stringify(accessOf(term.factors[0]).positions[1])) return []; // the same for a channel
  const maker = step.nodes.get(sum.layer);
  const output = maker.arrays[maker.target];
  const readers = step.description.nodes.filter(({ arrays, sources }) =>
    sources.some((letter) => arrays[letter] === output),
  );
  const alone = readers.every(({ equation }) => takesOff(equation));
  return alone ? readers.map((reader) => reader.name) : [];
}

/** What there is to say of the element's products: the cause, the fact, and what belongs to it. */
function answerOf(terms) {
  const { step, side, name, index, element, value } = terms;
  if (!Number.isFinite(value)) return { cause: "not finite", ...nonfiniteSource(step, side, name, index) };
  if (terms.given) {
    const cause = side === "value" && step.producers.has(name) ? "no sum" : "given";
    return { cause, fact: { kind: "given", element, value, origin: originOf(terms) } };
  }
  if (value !== 0) return { cause: "sum", fact: dominance(terms) };
  if (terms.magnitude > 0 && !meetsTarget(terms)) return reasonOfCancelling(terms);
  if (side === "grad") return closed(terms, closedPaths(step, name, index));
  return zeroValue(terms);
}

/** Every path from the loss is closed somewhere. */
function closed(terms, found) {
  if (found.length === 0) return lostOnTheWay(terms);
  const blocked = {};
  for (const { fact } of found) blocked[fact.kind] = (blocked[fact.kind] ?? 0) + fact.count;
  const order = [...found].sort((a, b) => rankOf(a) - rankOf(b) || b.fact.count - a.fact.count);
  const [{ fact: first, example }] = order;
  let there = null;
  if (first.kind === "zero inputs") {
    const made = why(terms.step, example.side, example.name, example.index);
    if (made.cause !== "given") there = made.fact;
  }
  const told = order.slice(0, 3);
  const clauses = told.map((one) => one.fact);
  const fact = { kind: "closed", element: terms.element, clauses, more: order.length - told.length, there };
  return { cause: first.kind, fact, blocked, where: told.map((one) => one.example) };
}

/** No path is closed: nearer to the loss, some sum of products that are not 0 is 0. */
function lostOnTheWay(asked) {
  const { element } = asked;
  let terms = asked;
  while (terms.magnitude === 0) {
    terms = firstOpen(terms);
    // smaller than any float64
    if (terms === null) return { cause: "underflow", fact: { kind: "too small", element } };
  }
  const { fact: made, ...lost } = reasonOfCancelling(terms);
  const { side, name, index } = terms;
  const fact = { kind: "made of", element, further: terms.element, made };
  return { ...lost, fact, where: [{ side, name, index }] };
}

/** The first gradient behind an element's open products from which a path leads to the loss. */
function firstOpen(terms) {
  const seen = new Set();
  for (let number = 0; number < terms.length; number++) {
    const { factors, scale } = terms.row(number);
    const gradient = factors.find((factor) => factor.side === "grad");
    if (scale === 0 || gradient === undefined || seen.has(gradient.index.join())) continue;
    if (factors.some((factor) => factor !== gradient && factor.value === 0)) continue;
    seen.add(gradient.index.join());
    const further = new Terms(terms.step, "grad", gradient.name, gradient.index);
    if (further.magnitude > 0 || closedPaths(terms.step, gradient.name, gradient.index).length === 0) {
      return further;
    }
  }
  return null;
}

/** A value that is 0: the chain of what it was handed on from, down to what made it so. */
function zeroValue(asked) {
  const chain = [];
  let terms = asked;
  for (let factor = sourceOfZero(terms); factor !== null; factor = sourceOfZero(terms)) {
    chain.push(written(factor.side, factor.name, factor.index));
    terms = new Terms(terms.step, factor.side, factor.name, factor.index);
  }
  const { cause, fact: made, where = [] } = reasonOfZero(terms);
  return { cause, fact: { kind: "zero value", element: asked.element, chain, made }, where };
}

/** A number that is not 0: how many products, how much cancels, what dominates. */
function dominance(terms) {
  const [row] = terms.top(1);
  const about = { element: terms.element, value: terms.value, product: productText(row) };
  if (terms.length === 1) return { kind: "one product", ...about };
  const { length: products, magnitude } = terms;
  const cancels = cancelling(terms);
  return { kind: "sum", ...about, products, magnitude, cancels, strongest: row.product, ...strongest(terms) };
}

/** Which samples, positions or channels bring most. */
function strongest(terms) {
  const groups = terms.parts.flatMap((part) => part.points.groups);
  const moving = new Set(groups.flatMap((group) => (group.length > 1 ? group.names : [])));
  const byName = ["n", "n′"].filter((name) => moving.has(name)).map((name) => terms.by(name));
  const samples = byName.flatMap((shares) => greatest(shares, 3)).map(sampleShare);
  const names = PLACES.find((indices) => indices.every((name) => moving.has(name)));
  const [best] = names === undefined ? [] : greatest(terms.by(...names), 1);
  return { samples, place: best === undefined ? null : placeShare(names, best, terms.magnitude) };
}

const sampleShare = ({ keys, sum }) => ({ kind: "sample share", sample: keys[0], sum });

function placeShare([axis], { keys, sum }, magnitude) {
  const place = keys.length > 1 ? `(${keys.join(",")})` : String(keys[0]);
  return { kind: "place share", axis, place, sum, share: sum / magnitude };
}

/** The partial sums that are greatest in size, of products that have these indices. */
function greatest(shares, count) {
  const size = ({ sum }) => (Number.isNaN(sum) ? Infinity : Math.abs(sum));
  const present = shares.filter(({ keys }) => !keys.includes(null));
  return present.sort((a, b) => size(b) - size(a)).slice(0, count);
}
