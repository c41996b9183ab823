// What made a value 0: what it was handed on from, or which of its factors are 0.

import { written } from "gradtrail/step/step.js";
import { blockOf } from "gradtrail/why/blocks.js";

/** How many elements a window has at most whose greatest is looked for one by one. */
const WINDOW = 4096;

/** The one element whose 0 this is: copied, the greatest of a window, or a function of it. */
export function handedOn(terms) {
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
 * @returns {{cause: string, text: string, where?: object}} the cause, a clause, and an element
 */
export function madeZero(terms, say) {
  if (terms.given) return { cause: "given", text: say.givenZero({ element: terms.element }) };
  const node = terms.step.producers.get(terms.name);
  if (node.equation.type === "Loss")
    return { cause: "saturated", text: say.lossZero({ weighted: node.equation.weight !== null }) };
  if (terms.length === 0) return { cause: "no window", text: say.unreachedZero({ layer: node.name }) };
  const { factors, layer } = terms.row(0);
  const [{ side, name, index, stored }] = factors;
  const operand = terms.parts[0].operands[0];
  if (terms.length === 1 && operand.kind === "Applied") {
    const relu = operand.factor.function.name.startsWith("relu");
    const text = say.functionZero({ layer, relu, input: written(side, name, index), value: stored });
    return { cause: relu ? "relu closed" : "flat", text, where: { side, name, index } };
  }
  if (terms.magnitude > 0) return cancelled(terms, say);
  return operandsZero(terms, say);
}

/** Which factors of a sum of zeros are 0: the mask, the weights, or what is read. */
function operandsZero(terms, say) {
  const widest = Math.max(...terms.parts.map((part) => part.operands.length));
  const parts = terms.parts.filter((part) => part.operands.length === widest);
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const { zeros, first } = zerosByKind(parts, terms.step);
  const { layer } = terms.parts[0].sum;
  const where = (kind) => first.get(kind).element;
  if (zeros.get("mask")) {
    const { side, name, index } = where("mask");
    const text = say.droppedZero({ layer, mask: written(side, name, index) });
    return { cause: "dropped", text, where: where("mask") };
  }
  if (zeros.get("inputs") === count) {
    return { cause: "zero inputs", text: say.inputsZero({ layer }), where: where("inputs") };
  }
  if (zeros.get("weights") === count) {
    return { cause: "zero weights", text: say.weightsZero({ layer }), where: where("weights") };
  }
  const kinds = [...zeros].filter(([, times]) => times > 0);
  const [foremost] = [...first.values()].sort((a, b) => a.part - b.part || a.block - b.block);
  return { cause: "zero products", text: say.productsZero({ count, kinds }), where: foremost.element };
}

/** Products that are not 0, and a sum that is. */
export function cancelled(terms, say) {
  const { element, sum: total, magnitude, nonzero } = terms;
  const smallest = terms.step.array(terms.side, terms.name) instanceof Float32Array ? 2 ** -126 : 2 ** -1022;
  if (total !== 0 && magnitude < smallest) {
    return { cause: "underflow", text: say.tooPrecise({ element, total }), blocked: {} };
  }
  if (Math.abs(total) > 0.5 * magnitude) {
    const flat = terms.parts.some((part) => part.operands.some((operand) => operand.kind === "Applied"));
    return {
      cause: flat ? "flat" : "underflow",
      text: say.rounded({ element, nonzero, total }),
      blocked: {},
    };
  }
  return {
    cause: "cancelled",
    text: say.cancelled({ element, nonzero, magnitude }),
    blocked: { cancelled: nonzero },
  };
}

/** How many factors of each kind are 0, and the first of them. */
function zerosByKind(parts, step) {
  const parameters = new Set(step.parameters.map(({ name }) => name));
  const zeros = new Map();
  const first = new Map();
  parts.forEach((part, p) => {
    for (const operand of part.operands) {
      let kind = parameters.has(operand.name) ? "weights" : "inputs";
      if (operand.name.endsWith(".mask")) kind = "mask";
      const values = operand.values(part.points);
      const times = values.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0);
      zeros.set(kind, (zeros.get(kind) ?? 0) + times);
      if (times === 0) continue;
      const at = values.indexOf(0);
      const block = blockOf(part.points, at);
      const known = first.get(kind);
      if (known && (known.part < p || known.block <= block)) continue;
      const { index } = operand.at(part.points.at(at));
      const element = { side: operand.side, name: operand.name, index };
      if (known) Object.assign(known, { block, element });
      else first.set(kind, { part: p, block, element });
    }
  });
  return { zeros, first };
}
