// What made a value 0: what it was handed on from, or which of its factors are 0.

import { functionOf, isRectifier } from "gradtrail/equation/scalar.js";
import { written } from "gradtrail/step/step.js";
import { unweightedCause } from "gradtrail/why/clauses.js";
import { multipliesByZero } from "gradtrail/why/coefficients.js";
import { countedWeights, differing } from "gradtrail/why/loss-weights.js";

/** How many elements a window has at most whose greatest is looked for one by one. */
const WINDOW = 4096;

/** What may be 0 in a product, as it is looked at; `functions` of what is not 0. */
const KINDS = ["coefficient", "mask", "inputs", "functions", "weights"];

/**
 * Whether a loss, or what it sends back, is 0 since what it compares is the same.
 *
 * Multiplied out, products that are not 0 cancel then.
 */
export function meetsTarget(terms) {
  const { step, side, parts } = terms;
  const [name, ...others] = new Set(parts.map((part) => part.sum.layer));
  const node = step.nodes.get(name);
  if (others.length || node?.equation.type !== "Loss" || node.equation.elements !== null) return false;
  if (side === "grad") return terms.sum === 0;
  if (node.equation.rule !== "squared error") return false;
  const value = (one) => step.array("value", one);
  const shape = step.shape(node.arrays[node.sources[0]]);
  const weights = countedWeights(node, value, shape);
  const differs = differing(node, value, weights);
  const counts = (place) => weights === null || weights.held[weights.placeOf(place)] !== 0;
  return value(node.arrays[node.sources[0]]).every((_, place) => !differs(place) || !counts(place));
}

/**
 * The one element whose 0 this is: copied, the greatest of a window, or a function of it.
 *
 * A norm scales what it made of its input before.
 */
export function sourceOfZero(terms) {
  if (terms.given || terms.length > WINDOW) return null;
  const node = terms.step.producers.get(terms.name);
  const { equation, arrays, target } = node;
  if (equation.type === "Normalisation" && arrays[target] === terms.name) {
    const made = terms.row(0).factors.find(({ letter }) => letter === equation.normalised);
    return made.stored === 0 ? made : null;
  }
  const rows = [];
  for (let number = 0; number < terms.length && rows.length < 2; number++) {
    const { factors } = terms.row(number);
    if (!factors.some((factor) => factor.called === "[·]" && factor.value === 0)) rows.push(factors);
  }
  if (rows.length !== 1 || byCoefficient(terms, node)) return null;
  const factors = rows[0].filter((factor) => factor.called !== "[·]");
  return factors.length === 1 && factors[0].stored === 0 ? factors[0] : null;
}

/** Whether a coefficient of 0 stands before each product. */
function byCoefficient({ parts }, node) {
  const zero = (factor) => factor.type === "Applied" && multipliesByZero(node, factor);
  const there = parts.filter((part) => part.length);
  return there.every((part) => part.scale === 0 || part.term.factors.some(zero));
}

/**
 * What made a value of 0, which was not handed on.
 * @returns {{cause: string, fact: object, where?: object[]}} the cause, the fact, and elements to look at
 */
export function reasonOfZero(terms) {
  if (terms.given) return { cause: "given", fact: { kind: "value given", element: terms.element } };
  const node = terms.step.producers.get(terms.name);
  const { name: layer, equation } = node;
  if (equation.type === "Loss") return lossZero(terms.step, node);
  if (terms.length === 0) return { cause: "no window", fact: { kind: "value no window", layer } };
  const operands = terms.length === 1 ? terms.parts.find((part) => part.length).operands : [];
  if (operands.length === 1 && operands[0].kind === "Applied")
    return functionZero(terms, node, operands[0].factor);
  if (terms.magnitude > 0) return reasonOfCancelling(terms);
  return operandsZero(terms);
}

/** A loss of 0: nothing counts in it, all is as it should be, or no element adds anything. */
function lossZero(step, node) {
  const { equation, arrays, sources } = node;
  const shape = step.shape(arrays[sources[0]]);
  const weights = countedWeights(node, (name) => step.array("value", name), shape);
  if (weights?.held.every((weight) => weight === 0)) {
    const cause = unweightedCause(equation, shape.length > 2);
    return { cause, fact: { kind: "value uncounted" } };
  }
  if (equation.elements === null) {
    return { cause: "saturated", fact: { kind: "value saturated", weighted: weights !== null } };
  }
  return { cause: "level", fact: { kind: "value level", elements: arrays[equation.elements] } };
}

/** A function of one element that is not 0 itself. */
function functionZero(terms, node, factor) {
  const { factors, layer } = terms.row(0);
  const [{ side, name, index, stored: value }] = factors;
  const where = [{ side, name, index }];
  if (multipliesByZero(node, factor))
    return { cause: "zero coefficient", fact: { kind: "value zero coefficient", layer }, where };
  const about = { layer, element: written(side, name, index), value };
  const applied = factor.function;
  if (isRectifier(applied))
    return { cause: "relu closed", fact: { kind: "value relu closed", ...about }, where };
  const cause = slopeAt(terms, node, applied, value) === 0 ? "flat" : "zero function";
  return { cause, fact: { kind: `value ${cause}`, ...about, function: applied.name }, where };
}

/** A function's slope, in the precision of its layer. */
function slopeAt({ step, side, name }, node, applied, value) {
  const sent = step.description.backward.filter((one) => one.node === node.name);
  const factors = sent.flatMap(({ equation }) => equation.terms.flatMap((term) => term.factors));
  const slope = factors.find((factor) => factor.function?.name === `${applied.name}′`);
  return functionOf(slope.function.body, step.array(side, name) instanceof Float32Array)(value);
}

/** Which factors of a sum of zeros are 0; a bias of 0 beside products of more is passed over. */
function operandsZero(terms) {
  const widest = Math.max(...terms.parts.map((part) => part.operands.length));
  const allCount = terms.parts.some((part) => part.scale === 0);
  const parts = terms.parts.filter((part) => allCount || part.operands.length === widest);
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const zeros = zerosByKind(parts, terms.step);
  for (const [kind, found] of zeros) {
    if (found.count === count || (kind === "mask" && found.count > 0))
      return reasonOfKind(terms, kind, found, () => readsZeros(parts, terms.step));
  }
  const some = [...zeros].filter(([, found]) => found.count > 0);
  if (some.length === 0)
    return { cause: "underflow", fact: { kind: "underflow", element: terms.element, total: 0 } };
  const factors = some.map(([what, { count: times, factor }]) => {
    const element = factor ? written(factor.side, factor.name, factor.index) : "";
    return { kind: "zero factors", count: times, what, element };
  });
  const fact = { kind: "value zero products", count, factors };
  const where = some.flatMap(([, { factor }]) => (factor ? [placeOf(factor)] : [])).slice(0, 1);
  return { cause: "zero products", fact, where };
}

const placeOf = ({ side, name, index }) => ({ side, name, index });

/** One kind of factor is 0 in every product. */
function reasonOfKind(terms, kind, { count, factor, operand }, everything) {
  const { layer } = terms.parts[0].sum;
  if (factor === null) return { cause: "zero coefficient", fact: { kind: "value zero coefficient", layer } };
  const { side, name, index, stored: value } = factor;
  const about = { layer, element: written(side, name, index) };
  const reason = (cause, held) => ({
    cause,
    fact: { kind: `value ${cause}`, ...held },
    where: [placeOf(factor)],
  });
  if (kind === "mask") return reason("dropped", about);
  if (kind === "weights") return reason("zero weights", { layer });
  if (kind === "inputs") return reason("zero inputs", { every: everything(), count, ...about });
  const applied = operand.factor.function;
  if (isRectifier(applied)) return reason("relu closed", { ...about, value });
  return reason("zero function", { ...about, value, function: applied.name });
}

/** Products that are not 0, and a sum that is. */
export function reasonOfCancelling(terms) {
  const { element, sum: total, magnitude, nonzero } = terms;
  const smallest = terms.step.array(terms.side, terms.name) instanceof Float32Array ? 2 ** -126 : 2 ** -1022;
  if (total !== 0 && magnitude < smallest) {
    return { cause: "underflow", fact: { kind: "underflow", element, total } };
  }
  if (Math.abs(total) > 0.5 * magnitude) {
    const flat = terms.parts.some((part) => part.operands.some((operand) => operand.kind === "Applied"));
    return { cause: flat ? "flat" : "underflow", fact: { kind: "rounded", element, nonzero, total } };
  }
  const fact = { kind: "cancelled", element, nonzero, magnitude };
  return { cause: "cancelled", fact, blocked: { cancelled: nonzero } };
}

/** What is 0 of each kind: in how many products, and the first factor of the first of them. */
function zerosByKind(parts, step) {
  const zeros = new Map(KINDS.map((kind) => [kind, { count: 0, factor: null, operand: null }]));
  for (const part of parts) {
    if (part.scale === 0) zeros.get("coefficient").count += part.length;
    const shut = new Map();
    for (const operand of part.operands) {
      const values = operand.values(part.points);
      const stored = operand.stored(part.points);
      const kind = kindOf(operand.name, step);
      for (let i = 0; i < values.length; i++) {
        if (values[i] !== 0) continue;
        const own = kind === "inputs" && operand.kind === "Applied" && stored[i] !== 0 ? "functions" : kind;
        if (!shut.has(own)) shut.set(own, new Array(values.length).fill(null));
        shut.get(own)[i] ??= operand;
      }
    }
    for (const [kind, operands] of shut) {
      const found = zeros.get(kind);
      found.count += operands.filter((operand) => operand !== null).length;
      if (found.factor !== null) continue;
      const at = operands.findIndex((operand) => operand !== null);
      found.operand = operands[at];
      found.factor = operands[at].at(part.points.at(at));
    }
  }
  return zeros;
}

/** Whether all that is read is 0, weights and masks aside. */
function readsZeros(parts, step) {
  return parts.every(({ operands, points }) =>
    operands
      .filter(({ name, kind }) => kindOf(name, step) === "inputs" && !["Indicator", "Sparse"].includes(kind))
      .every((operand) => operand.stored(points).every((value) => value === 0)),
  );
}

/** What an array is to the layer that reads it. */
function kindOf(array, step) {
  if (step.isMask(array)) return "mask";
  return step.parameters.some(({ name }) => name === array) ? "weights" : "inputs";
}
