// The page's interpreter of equations, against the numbers that Python has.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  affine,
  bounds,
  factorOf,
  indexOf,
  namesOfTerm,
  placeOf,
  plain,
  positionAt,
  real,
  sizeOf,
  stridesOf,
} from "gradtrail/equation/affine.js";
import { forward } from "gradtrail/equation/forward.js";
import { formula, text } from "gradtrail/equation/printing.js";
import { erf, functionOf } from "gradtrail/equation/scalar.js";
import { allClose, close, known, step } from "./known.mjs";

test("exact numbers", () => {
  assert.equal(real({ value: 3 }), 3);
  assert.equal(real({ value: { value: "1/64" } }), 1 / 64);
});

test("places in arrays laid out row by row", () => {
  assert.equal(sizeOf([2, 3, 4]), 24);
  assert.deepEqual(stridesOf([2, 3, 4]), [12, 4, 1]);
  assert.equal(placeOf([2, 3, 4], [1, 2, 3]), 23);
  assert.deepEqual(indexOf([2, 3, 4], 17), [1, 1, 1]);
});

test("positions are those of Python, and so are their bounds", () => {
  assert.ok(known.positions.length >= 5);
  for (const { position, point, value, ranges, least, greatest, index } of known.positions) {
    const written = JSON.stringify(position);
    assert.equal(positionAt(position, point), value, written);
    assert.deepEqual(bounds(position, ranges), [least, greatest], written);
    const { names, factors } = affine(position);
    names.forEach((name, at) => assert.equal(factorOf(position, name), factors[at], written));
    assert.equal(plain(position), index, written);
  }
});

test("each layer's forward pass", () => {
  for (const node of step.description.nodes) {
    const read = (letter) => step.array("value", node.arrays[letter]);
    const made = forward(node.equation, read);
    for (const [letter, array] of Object.entries(made)) {
      const name = node.arrays[letter];
      allClose(array, step.array("value", name), name);
    }
  }
});

test("functions of one number", () => {
  for (const { name, body, x, values } of known.functions) {
    const f = functionOf(body);
    x.forEach((at, place) => close(f(at), values[place], `${name}(${at})`, 1e-3));
  }
  assert.equal(erf(0), 0);
  assert.ok(Math.abs(erf(0.5) - 0.5204998778130465) < 1e-15);
  assert.ok(Math.abs(erf(-2) + 0.9953222650189527) < 1e-15);
});

test("equations with an element's numbers in them", () => {
  for (const { side, name, index, equations } of known.cells) {
    const printed = step.sums(side, name).map((sum) => sum.given || text(formula(sum.printed, index)));
    if (equations) assert.deepEqual(printed, equations, `${side} ${name} ${index}`);
  }
});

test("the names of a term are its target's first", () => {
  const { equation } = step.nodes.get("conv1");
  assert.deepEqual(namesOfTerm(equation.terms.at(-1)), ["n", "k", "y", "x", "c", "i", "j"]);
});
