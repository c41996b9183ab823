// What the update makes of one weight: the rule, the step's numbers in it, and what comes of it.

import { ruleOf, scalarsOf } from "gradtrail/step/running.js";
import { elementLink, figuresRow, h } from "gradtrail/view/dom.js";
import { number } from "gradtrail/words/number.js";

/** How an operation is written, and how tightly it binds. */
const SIGNS = { add: ["+", 1], sub: ["−", 1], mul: ["·", 2], div: ["/", 2] };
const LETTERS = {
  weight: "w",
  gradient: "g",
  velocity: "v",
  mean: "m",
  square: "s",
  momentum: "μ",
  beta1: "β₁",
  beta2: "β₂",
  eps: "ε",
  weight_decay: "λ",
  bias1: "(1 − β₁ᵗ)",
  bias2: "(1 − β₂ᵗ)",
};

/** An expression of the update rule as text. */
function shown(expression, above = 0) {
  if (expression.type === "Literal") return String(expression.value).replace("-", "−");
  if (expression.type === "Variable") return LETTERS[expression.name] ?? expression.name;
  const [sign, rank] = SIGNS[expression.operation] ?? [];
  if (!rank) return `${expression.operation}(${expression.arguments.map((one) => shown(one)).join(", ")})`;
  const [left, right] = expression.arguments;
  const tight = expression.operation === "sub" || expression.operation === "div" ? rank + 0.5 : rank;
  const text = `${shown(left, rank)} ${sign} ${shown(right, tight)}`;
  return rank < above ? `(${text})` : text;
}

/** The optimiser as it is written in Python, with the rate that it has now. */
export function optimizerText({ description, source }, name = "") {
  const { type } = description.optimizer.settings;
  const { rule, rate } = ruleOf(description.optimizer, name, source.state.lr);
  const shown = Object.entries({ ...rule.settings, lr: rate }).filter(
    ([key]) => !["type", "groups"].includes(key),
  );
  return `${type}(${shown.map(([key, value]) => `${key}=${[value].flat().join(", ")}`).join(", ")})`;
}

/** The names that an expression reads. */
function namesIn(expression) {
  if (expression.type === "Variable") return [expression.name];
  return (expression.arguments ?? []).flatMap(namesIn);
}

/** What the inspector shows about a weight's change. */
export function updateCard(model, cell, heading) {
  const { words, description, step, source } = model;
  const { name, index } = cell;
  const [weight, gradient] = ["value", "grad"].map((side) => step.at(side, name, index));
  const change = step.at("change", name, index);
  const { rule, rate } = ruleOf(description.optimizer, name, source.state.lr);
  const rules = rule.assignments.map(([target, expression]) =>
    h("li", {}, h("code", {}, `${LETTERS[target] ?? target} ← ${shown(expression)}`)),
  );
  const scalars = scalarsOf(rule, rate, source.state.steps + 1);
  const read = new Set(rule.assignments.flatMap(([, expression]) => namesIn(expression)));
  const numbers = Object.entries(scalars).filter(([key]) => read.has(key));
  const scalarRows = numbers.map(([key, value]) => figuresRow(LETTERS[key] ?? key, number(value, 6)));
  const remembers = rule.state.map((key) => LETTERS[key] ?? key);
  const linked = (letter, side) => [`${letter} `, elementLink(model, { side, name, index })];
  return [
    heading,
    h("p", {}, optimizerText(model, name)),
    h("ul.rules", {}, ...rules),
    h(
      "table.arrays",
      {},
      h(
        "tbody",
        {},
        figuresRow(linked("w", "value"), number(weight, 6)),
        figuresRow(linked("g", "grad"), number(gradient, 6)),
        ...scalarRows,
        figuresRow(words.after, number(weight + change, 6)),
      ),
    ),
    h("p.soft", {}, words.updateHelp(number(rate))),
    remembers.length ? h("p.soft", {}, words.remembers(remembers.join(", "))) : "",
  ];
}
