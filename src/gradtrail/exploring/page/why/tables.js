// Products and shares as they stand in sentences of any language.

import { written } from "gradtrail/step/step.js";
import { number, percent } from "gradtrail/words/number.js";

/** `0.25 · dfc1.output[0,2] (0.3) · relu′(fc1.output[0,1] = 2) (1)`. */
export function productText(row) {
  const told = row.scale === 1 ? [] : [number(row.scale)];
  for (const { side, name, index, stored, value, called } of row.factors) {
    let element = written(side, name, index);
    if (called === "[·]") element = `[${element} = ${number(stored)}]`;
    else if (called) element = `${called}(${element} = ${number(stored)})`;
    told.push(`${element} (${number(value)})`);
  }
  return told.join(" · ");
}

/** How much cancels where products of both signs meet: "97 %", or null; 100 % where nothing is left. */
export function cancelling(terms) {
  const left = 1 - Math.min(1, Math.abs(terms.sum) / terms.magnitude);
  if (left <= 5e-4) return null;
  if (left < 0.995 || terms.sum === 0) return percent(left);
  const texts = [1, 2, 3].map((digits) => (100 * left).toFixed(digits));
  return `${texts.find((text) => Number(text) < 100) ?? ">99.999"} %`;
}
