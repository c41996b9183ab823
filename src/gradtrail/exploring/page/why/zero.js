// What made a value 0: what it was handed on from, or which of its factors are 0.

import { isRectifier } from "gradtrail/equation/scalar.js";
import { written } from "gradtrail/step/step.js";

/** How many elements a window has at most whose greatest is looked for one by one. */
const WINDOW = 4096;

/** The one element whose 0 this is: copied, the greatest of a window, or a function of it. */
export function sourceOfZero(terms) {
  if (terms.given || terms.length > WINDOW) return null;
  const rows = [];
  for (let number = 0; number < terms.length && rows.length < 2; number++) {
    const { factors } = terms.row(number);
    if (!factors.some((factor) => factor.called === "[·]" && factor.value === 0)) rows.push(factors);
  }
  const factors = rows.length === 1 ? rows[0].filter((factor) => factor.called !== "[·]") : [];
  return factors.length === 1 && factors[0].stored === 0 ? factors[0] : null;
}

/**
 * What made a value of 0, which was not handed on.
 * @returns {{cause: string, fact: object, where?: object[]}} the cause, the fact, and elements to look at
 */
export function reasonOfZero(terms) {
  if (terms.given) return { cause: "given", fact: { kind: "value given", element: terms.element } };
  const { name: layer, equation } = terms.step.producers.get(terms.name);
  if (equation.type === "Loss") {
    return { cause: "saturated", fact: { kind: "value saturated", weighted: equation.weight !== null } };
  }
  if (terms.length === 0) return { cause: "no window", fact: { kind: "value no window", layer } };
  const [{ kind, factor }] = terms.parts[0].operands;
  if (terms.length === 1 && kind === "Applied") return functionZero(terms, factor.function);
  if (terms.magnitude > 0) return reasonOfCancelling(terms);
  return operandsZero(terms);
}

/** A function of one element that is not 0 itself. */
function functionZero(terms, applied) {
  const { factors, layer } = terms.row(0);
  const [{ side, name, index, stored: value }] = factors;
  const where = [{ side, name, index }];
  const about = { layer, element: written(side, name, index), value };
  if (isRectifier(applied))
    return { cause: "relu closed", fact: { kind: "value relu closed", ...about }, where };
  return { cause: "flat", fact: { kind: "value flat", ...about, function: applied.name }, where };
}

/** Which factors of a sum of zeros are 0: the mask, the weights, or what is read. */
function operandsZero(terms) {
  const widest = Math.max(...terms.parts.map((part) => part.operands.length));
  const parts = terms.parts.filter((part) => part.operands.length === widest);
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const { zeros, first } = zerosByKind(parts, terms.step);
  const { layer } = terms.parts[0].sum;
  if (zeros.get("mask")) {
    const { side, name, index } = first.get("mask");
    const fact = { kind: "value dropped", layer, element: written(side, name, index) };
    return { cause: "dropped", fact, where: [first.get("mask")] };
  }
  const all = ["inputs", "weights"].find((kind) => zeros.get(kind) === count);
  if (all) {
    return { cause: `zero ${all}`, fact: { kind: `value zero ${all}`, layer }, where: [first.get(all)] };
  }
  if (first.size === 0) {
    return { cause: "underflow", fact: { kind: "underflow", element: terms.element, total: 0 } };
  }
  const kinds = [...zeros].filter(([, times]) => times > 0);
  const factors = kinds.map(([what, times]) => ({ kind: "zero factors", count: times, what }));
  const fact = { kind: "value zero products", count, factors };
  return { cause: "zero products", fact, where: [first.get(factors[0].what)] };
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

/** How many factors of each kind are 0, and the first of them. */
function zerosByKind(parts, step) {
  const zeros = new Map();
  const first = new Map();
  for (const { operands, points } of parts) {
    for (const operand of operands) {
      const kind = kindOf(operand.name, step);
      const values = operand.values(points);
      const times = values.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0);
      zeros.set(kind, (zeros.get(kind) ?? 0) + times);
      if (times === 0 || first.has(kind)) continue;
      const { index } = operand.at(points.at(values.indexOf(0)));
      first.set(kind, { side: operand.side, name: operand.name, index });
    }
  }
  return { zeros, first };
}

/** What an array is to the layer that reads it. */
function kindOf(array, step) {
  if (step.isMask(array)) return "mask";
  return step.parameters.some(({ name }) => name === array) ? "weights" : "inputs";
}
