// Why an element is what it is: the facts that Python finds, and the sentences that it makes of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { why } from "gradtrail/why/why.js";
import { say } from "gradtrail/words/say.js";
import { wordsOf } from "gradtrail/words/words.js";
import { alike, known, own, step, zeroed } from "./known.mjs";

test("every cause that Python finds", () => {
  assert.ok(known.answers.length >= 60);
  for (const { cell, answer } of known.answers) {
    const found = why(step, ...cell);
    assert.ok(alike(found, answer), `${JSON.stringify(found)} instead of ${JSON.stringify(answer)}`);
  }
  assert.deepEqual([...new Set(known.answers.map(({ answer }) => answer.cause))].sort(), known.causes);
});

test("a function is what it computes, and a mask what is drawn, whatever they are called", () => {
  for (const { cell, answer } of known.own.answers) {
    const { text, ...expected } = answer;
    const found = why(own, ...cell);
    assert.ok(alike(found, expected), `${JSON.stringify(found)} instead of ${JSON.stringify(answer)}`);
    assert.equal(say(found.fact, wordsOf("en").why), text);
  }
  const causes = (side, name, index) => why(own, side, name, index).cause;
  assert.equal(causes("value", "own1.output", [0, 2]), "flat");
  assert.equal(causes("value", "masked1.output", [1, 0]), "zero weights");
  const closed = "own2 is closed, where own1.output[0,2] is 0";
  assert.ok(say(why(own, "grad", "own1.output", [0, 2]).fact, wordsOf("en").why).includes(closed));
});

test("what a formula, a gate, a softmax, a constant or a label makes 0", () => {
  const causes = new Set();
  for (const { cell, answer, texts } of known.zeroed.answers) {
    const found = why(zeroed, ...cell);
    assert.ok(alike(found, answer), `${JSON.stringify(found)} instead of ${JSON.stringify(answer)}`);
    assert.deepEqual([say(found.fact, wordsOf("en").why), say(found.fact, wordsOf("ko").why)], texts);
    causes.add(found.cause);
  }
  const formulas = ["zero coefficient", "zero function", "zero probability", "no window", "left out"];
  for (const cause of formulas) assert.ok(causes.has(cause), cause);
});

test("the sentences of both languages", () => {
  for (const { answer, texts } of known.answers) {
    const said = ["en", "ko"].map((language) => say(answer.fact, wordsOf(language).why));
    assert.deepEqual(said, texts);
  }
});

test("a sentence by hand", () => {
  const fact = { kind: "given", element: "input[0,3]", value: -0.5, origin: { kind: "from outside" } };
  const said = "input[0,3] = −0.5 was given; no layer computed it.";
  assert.equal(say(fact, wordsOf("en").why), said);
  const winner = { ...fact, element: "pool1.winner[0,3]", value: 2, origin: { kind: "winner", layer: "pool1" } };
  assert.equal(
    say(winner, wordsOf("en").why),
    "pool1.winner[0,3] = 2 is no sum: it says which point of pool1's window won, row by row.",
  );
});
