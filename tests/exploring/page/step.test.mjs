// A learning step in the page, against the trace that it was made of.

import assert from "node:assert/strict";
import { test } from "node:test";
import { indexOf } from "gradtrail/equation/affine.js";
import { ofElement, ofSample, whole } from "gradtrail/step/needs.js";
import { reachOf, windowOf } from "gradtrail/step/reach.js";
import { ruleOf, runBackward, runForward, scalarsOf, updated } from "gradtrail/step/running.js";
import { Terms } from "gradtrail/step/terms.js";
import { allClose, close, known, step } from "./known.mjs";

test("every product of an element", () => {
  assert.ok(known.cells.length >= 40);
  for (const cell of known.cells) {
    const { side, name, index } = cell;
    const where = `${side} ${name} ${index}`;
    const terms = new Terms(step, side, name, index);
    assert.equal(terms.value, cell.value, where);
    assert.equal(terms.length, cell.length, where);
    assert.equal(terms.given, cell.given, where);
    assert.equal(terms.nonzero, cell.nonzero, where);
    assert.deepEqual(terms.indices, cell.indices, where);
    close(terms.magnitude, cell.magnitude, where);
    close(terms.sum, cell.sum, where, cell.magnitude);
    cell.products.forEach((product, row) => close(terms.products[row], product, where, cell.magnitude));
    cell.strongest.forEach(({ number, product }, place) => {
      assert.equal(terms.top(cell.strongest.length)[place].number, number, where);
      close(terms.row(number).product, product, where);
    });
  }
});

test("partial sums", () => {
  for (const { side, name, index, indices, shares, magnitude } of known.cells) {
    if (!shares) continue;
    const found = new Terms(step, side, name, index).by(indices[0]);
    assert.deepEqual(found.map(({ keys }) => keys[0]), shares.map(([key]) => key));
    found.forEach(({ sum }, row) => close(sum, shares[row][1], `${name} ${index}`, magnitude));
  }
});

test("what an element is made of, and what has a part in it", () => {
  for (const { side, name, index, window, given } of known.cells) {
    if (given) continue;
    const marked = windowOf(step, step.parts(side, name, index));
    const found = marked.keys.flatMap((key) => {
      const [of, array] = key.split(" ");
      const mask = marked.of(of, array);
      const places = [...mask.keys()].filter((place) => mask[place]);
      return places.map((place) => `${of} ${array} ${indexOf(step.shape(array), place)}`);
    });
    assert.deepEqual(found.sort(), window, `${side} ${name} ${index}`);
  }
});

test("what an element has a part in", () => {
  // row 3 lies under the windows 1 and 2 of 3 rows at stride 2, column 4 under window 2 alone
  const marked = reachOf(step, "value", "input", [1, 0, 3, 4]);
  const mask = marked.of("value", "conv1.output");
  const reached = [...mask.keys()].filter((place) => mask[place]);
  assert.deepEqual(reached, [82, 87, 107, 112, 132, 137]); // in three channels of 5 × 5
});

test("the rows that an answer is computed from", () => {
  assert.deepEqual(whole(step, "value", "conv1.weight"), {
    side: "value",
    name: "conv1.weight",
    from: 0,
    to: step.shape("conv1.weight")[0],
  });
  assert.deepEqual(ofSample(step, "grad", "conv1.output", 2), {
    side: "grad",
    name: "conv1.output",
    from: 2,
    to: 3,
  });
  const rows = ofElement(step, "grad", "conv1.weight", [1, 0, 1, 1]);
  const samples = step.shape("input")[0];
  assert.deepEqual(rows.at(-1), { side: "value", name: "input", from: 0, to: samples });
});

test("forward and backward from the input and the parameters", () => {
  const made = new Set(known.made);
  const values = new Map();
  for (const { name } of step.description.arrays) {
    if (!made.has(name)) values.set(name, step.array("value", name));
  }
  runForward(step.description, values);
  for (const name of made) allClose(values.get(name), step.array("value", name), name);
  const gradients = runBackward(step.description, values);
  for (const [name, array] of gradients) {
    if (step.has("grad", name)) allClose(array, step.array("grad", name), `d${name}`);
  }
});

test("two steps of each optimizer", () => {
  assert.ok(known.updates.length >= 3);
  for (const { optimizer, name, lr, weight, gradients, expected } of known.updates) {
    const { rule, rate } = ruleOf(optimizer, name, lr);
    const memory = {};
    let now = weight;
    gradients.forEach((gradient, at) => {
      now = updated(rule, scalarsOf(rule, rate, at + 1), now, gradient, memory);
    });
    now.forEach((value, place) => close(value, expected[place], JSON.stringify(rule.settings)));
  }
});
