// Why an element is what it is, in words: what dominates it, or what made it zero or not finite.
//
// The facts are found here; `say` puts them into the sentences of a language (words/why-en.js, -ko.js).

import { accessOf } from "gradtrail/equation/affine.js";
import { written } from "gradtrail/step/step.js";
import { Terms } from "gradtrail/step/terms.js";
import { trivial } from "gradtrail/why/clauses.js";
import { closedPaths } from "gradtrail/why/closing.js";
import { origin, originSentence } from "gradtrail/why/origin.js";
import { cancelling, productText } from "gradtrail/why/tables.js";
import { cancelled, handedOn, madeZero } from "gradtrail/why/zero.js";

/**
 * Why an element is what it is.
 * @param step the step
 * @param {"value"|"grad"} side
 * @param {string} name the array's
 * @param {number[]} index which element
 * @param say the sentences of a language
 * @returns {{element: string, value: number, cause: string, text: string,
 *     blocked: Object<string, number>, where: {side: string, name: string, index: number[]}[]}}
 *     `cause` is `sum` for a number that is not 0, `given`, `no sum`, `not finite`, or what made a zero;
 *     `blocked` how many products or positions each cause closes
 */
export function why(step, side, name, index, say) {
  const terms = new Terms(step, side, name, index);
  const found = answerOf(terms, say);
  const norm = normBehind(terms);
  if (norm === null || found.cause === "not finite") return found;
  return { ...found, text: `${found.text} ${say.takenOff({ norm, layer: terms.parts[0].sum.layer })}` };
}

/** The batch norms that alone read what a bias was added to; null for anything else. */
function normBehind({ step, side, name, parts }) {
  if (side !== "grad" || parts.length !== 1 || step.arrays.get(name).role !== "parameter") return null;
  const [{ sum, term }] = parts;
  if (sum.given || term.factors.length !== 1 || term.target.positions.length !== 1) return null;
  const own = JSON.stringify(term.target.positions[0]);
  if (own !== JSON.stringify(accessOf(term.factors[0]).positions[1])) return null; // the same for a channel
  const maker = step.nodes.get(sum.layer);
  const output = maker.arrays[maker.target];
  const readers = step.description.nodes.filter(({ arrays, sources }) =>
    sources.some((letter) => arrays[letter] === output),
  );
  if (readers.length === 0 || readers.some(({ equation }) => equation.type !== "Normalisation")) return null;
  return readers.map((reader) => reader.name).join(" and ");
}

/** What there is to say of the element's products. */
function answerOf(terms, say) {
  const { step, side, name, index } = terms;
  if (!Number.isFinite(terms.value)) {
    const { text, where } = originSentence(step, side, name, index, say);
    return answer(terms, terms.value, "not finite", text, {}, where);
  }
  if (terms.given) {
    const cause = side === "value" && step.producers.has(name) ? "no sum" : "given";
    const text = say.given({ element: terms.element, value: terms.value, ...origin(terms) });
    return answer(terms, terms.value, cause, text);
  }
  if (terms.value !== 0) return answer(terms, terms.value, "sum", dominance(terms, say));
  if (terms.magnitude > 0) {
    const { cause, text, blocked } = cancelled(terms, say);
    return answer(terms, 0, cause, text, blocked);
  }
  if (side === "grad") return closed(terms, closedPaths(step, name, index), say);
  return zeroValue(terms, say);
}

function answer(terms, value, cause, text, blocked = {}, where = []) {
  return { element: terms.element, value, cause, text, blocked, where };
}

/** Every path from the loss is closed somewhere. */
function closed(terms, found, say) {
  if (found.length === 0) return lostOnTheWay(terms, say);
  const blocked = {};
  for (const one of found) blocked[one.cause] = (blocked[one.cause] ?? 0) + one.count;
  const order = [...found].sort((a, b) => trivial(a) - trivial(b) || b.count - a.count);
  const [{ cause, example }] = order;
  let there = null;
  if (cause === "zero inputs") {
    const made = why(terms.step, example.side, example.name, example.index, say);
    if (made.cause !== "given") there = made.text;
  }
  const clauses = order.slice(0, 3).map((one) => say[one.sentence](one.facts));
  const text = say.closed({ element: terms.element, clauses, more: order.length - clauses.length, there });
  return answer(
    terms,
    0,
    cause,
    text,
    blocked,
    order.slice(0, 3).map((one) => one.example),
  );
}

/** No path is closed: nearer to the loss, some sum of products that are not 0 is 0. */
function lostOnTheWay(asked, say) {
  let terms = asked;
  while (terms.magnitude === 0) {
    terms = firstOpen(terms);
    // smaller than any float64
    if (terms === null) return answer(asked, 0, "underflow", say.tooSmall({ element: asked.element }));
  }
  const { cause, text, blocked } = cancelled(terms, say);
  const whole = say.madeOf({ element: asked.element, further: terms.element, made: text });
  return answer(asked, 0, cause, whole, blocked, [
    { side: terms.side, name: terms.name, index: terms.index },
  ]);
}

/** The first gradient behind an element's open products from which a path leads to the loss. */
function firstOpen(terms) {
  const seen = new Set();
  for (let number = 0; number < terms.length; number++) {
    const { factors } = terms.row(number);
    const gradient = factors.find((factor) => factor.side === "grad");
    if (gradient === undefined || seen.has(gradient.index.join())) continue;
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
function zeroValue(asked, say) {
  const chain = [];
  let terms = asked;
  for (let handed = handedOn(terms); handed !== null; handed = handedOn(terms)) {
    chain.push(written(handed.side, handed.name, handed.index));
    terms = new Terms(terms.step, handed.side, handed.name, handed.index);
  }
  const made = madeZero(terms, say);
  const text = say.zeroValue({ element: asked.element, chain, made: made.text });
  return answer(asked, 0, made.cause, text, {}, made.where ? [made.where] : []);
}

/** A number that is not 0: how many products, how much cancels, what dominates. */
function dominance(terms, say) {
  const { element, value } = terms;
  if (terms.length === 1) return say.single({ element, value, product: productText(terms.row(0)) });
  const [row] = terms.top(1);
  const facts = {
    element,
    value,
    products: terms.length,
    magnitude: terms.magnitude,
    cancels: cancelling(terms),
  };
  return say.sum({ ...facts, ...strongest(terms), product: row.product, factors: productText(row) });
}

/** Which samples, positions or channels bring most. */
function strongest(terms) {
  const groups = terms.parts.flatMap((part) => part.points.groups);
  const moving = new Set(groups.flatMap((group) => (group.length > 1 ? group.names : [])));
  const has = (names) => names.every((name) => moving.has(name));
  const sample = ["n", "n′"].find((name) => moving.has(name));
  const samples = sample === undefined ? [] : greatest(terms.by(sample), 3);
  const names = [["y", "x"], ["h", "w"], ["y′", "x′"], ["c"], ["k"], ["f"]].find(has);
  if (names === undefined) return { samples, place: null };
  const [best] = greatest(terms.by(...names), 1);
  if (best === undefined) return { samples, place: null };
  const share = best.sum / terms.magnitude;
  return { samples, place: { names, keys: best.keys, sum: best.sum, share } };
}

/** The partial sums that are greatest in size, of products that have these indices. */
function greatest(shares, count) {
  const size = ({ sum }) => (Number.isNaN(sum) ? Infinity : Math.abs(sum));
  const present = shares.filter(({ keys }) => !keys.includes(null));
  return present.sort((a, b) => size(b) - size(a)).slice(0, count);
}
