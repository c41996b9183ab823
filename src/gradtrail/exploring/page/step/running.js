// A learning step computed in the page, in float64: forward, loss, backward, and the update.

import { contract } from "gradtrail/equation/contract.js";
import { forward } from "gradtrail/equation/forward.js";
import { compiled } from "gradtrail/equation/scalar.js";

/**
 * Forward and loss.
 * @param description what `gradtrail.exploring.step_description` gives
 * @param {Map<string, ArrayLike<number>>} values input, parameters and what is given; the rest is added
 */
export function runForward(description, values) {
  for (const node of description.nodes) {
    const made = forward(node.equation, (letter) => values.get(node.arrays[letter]));
    for (const [letter, array] of Object.entries(made)) values.set(node.arrays[letter], array);
  }
}

/**
 * Backward: every gradient, that of the loss being 1.
 * @returns {Map<string, Float64Array>}
 */
export function runBackward(description, values) {
  const nodes = new Map(description.nodes.map((node) => [node.name, node]));
  const last = description.nodes.at(-1);
  const gradients = new Map([[last.arrays[last.target], Float64Array.of(1)]]);
  for (const sent of description.backward) {
    const node = nodes.get(sent.node);
    const delta = `d${node.target}`;
    const read = (letter) =>
      letter === delta ? gradients.get(node.arrays[node.target]) : values.get(node.arrays[letter]);
    const share = contract(sent.equation, read);
    const name = node.arrays[sent.operand];
    const held = gradients.get(name);
    if (held) for (let i = 0; i < held.length; i++) held[i] += share[i];
    else gradients.set(name, share);
  }
  return gradients;
}

/** How a parameter is moved, and at which rate: by the optimiser itself, or as its group is. */
export function ruleOf(optimizer, name, lr) {
  const group = (optimizer.groups ?? []).find(({ names }) => names.includes(name));
  if (!group) return { rule: optimizer, rate: lr };
  return { rule: group, rate: group.settings.lr * (lr / optimizer.settings.lr) };
}

/** The numbers of one step, the first being 1, that an update rule's expressions name. */
export function scalarsOf({ settings }, lr, step) {
  const { betas = [0, 0], momentum = 0, weight_decay: decay = 0, eps = 0 } = settings;
  return {
    lr,
    momentum,
    weight_decay: decay,
    eps,
    beta1: betas[0],
    beta2: betas[1],
    bias1: 1 - betas[0] ** step,
    bias2: 1 - betas[1] ** step,
  };
}

/**
 * One update of one parameter.
 * @param optimizer the description's
 * @param {Object<string, number>} scalars of this step
 * @param {ArrayLike<number>} weight
 * @param {ArrayLike<number>} gradient
 * @param {Object<string, Float64Array>} memory what the rule remembers of it, which is moved on
 * @returns {Float64Array} the weight after it
 */
export function updated(optimizer, scalars, weight, gradient, memory) {
  const rules = optimizer.assignments.map(([name, expression]) => [name, compiled(expression)]);
  for (const name of optimizer.state) memory[name] ??= new Float64Array(weight.length);
  const found = new Float64Array(weight.length);
  const variables = { ...scalars };
  for (let i = 0; i < weight.length; i++) {
    variables.weight = weight[i];
    variables.gradient = gradient[i];
    for (const name of optimizer.state) variables[name] = memory[name][i];
    for (const [name, rule] of rules) variables[name] = rule(variables);
    for (const name of optimizer.state) memory[name][i] = variables[name];
    found[i] = variables.weight;
  }
  return found;
}
