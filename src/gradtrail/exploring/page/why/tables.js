// Products and shares as they stand in sentences of any language.

import { written } from "gradtrail/step/step.js";
import { number, percent } from "gradtrail/words/number.js";

/** An element as a factor: itself, what a function is taken of, or what is compared with an index. */
export function factorText(element, { called, stored }) {
  if (called === "") return element;
  const held = `${element} = ${number(stored)}`;
  return called === "[·]" ? `[${held}]` : `${called}(${held})`;
}

/** `0.25 · dfc1.output[0,2] (0.3) · relu′(fc1.output[0,1] = 2) (1)`. */
export function productText(row) {
  const told = row.scale === 1 ? [] : [number(row.scale)];
  for (const factor of row.factors) {
    const element = written(factor.side, factor.name, factor.index);
    told.push(`${factorText(element, factor)} (${number(factor.value)})`);
  }
  return told.join(" · ");
}

/** How much cancels where products of both signs meet: "97 %", or null; 100 % where nothing is left. */
export function cancelling(terms) {
  if (terms.magnitude === 0) return null;
  const left = 1 - Math.min(1, Math.abs(terms.sum) / terms.magnitude);
  if (left <= 5e-4) return null;
  if (left < 0.995 || terms.sum === 0) return percent(left);
  const texts = [1, 2, 3].map((digits) => (100 * left).toFixed(digits));
  return `${texts.find((text) => Number(text) < 100) ?? ">99.999"} %`;
}
