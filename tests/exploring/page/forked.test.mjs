// A network with several outputs: a loss for each, and their weighted sum.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runBackward, runForward } from "gradtrail/step/running.js";
import { sequenceOf } from "gradtrail/view/sequence.js";
import { why } from "gradtrail/why/why.js";
import { alike, allClose, forked, known } from "./known.mjs";

test("every loss and every gradient of several outputs", () => {
  const { description } = forked;
  const made = new Set(description.nodes.flatMap((node) => [node.target, ...node.saved].map((a) => node.arrays[a])));
  const values = new Map();
  for (const { name } of description.arrays) if (!made.has(name)) values.set(name, forked.array("value", name));
  runForward(description, values);
  for (const name of made) allClose(values.get(name), forked.array("value", name), name);
  const gradients = runBackward(description, values);
  for (const name of ["maps.loss", "relu1.output", "conv1.weight"]) {
    allClose(gradients.get(name), forked.array("grad", name), `d${name}`);
  }
  const losses = sequenceOf(description).filter(({ stage }) => stage === "loss");
  assert.deepEqual(losses.map(({ layer }) => layer), ["a.loss", "maps.loss", "left.loss", "loss"]);
});

test("why, back to every loss", () => {
  for (const { cell, answer } of known.forked.answers) {
    const found = why(forked, ...cell);
    assert.ok(alike(found, answer), `${JSON.stringify(found)} instead of ${JSON.stringify(answer)}`);
  }
  assert.ok(known.forked.answers.some(({ answer }) => answer.cause === "no output weight"));
});
