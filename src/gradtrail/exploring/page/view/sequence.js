// The four stages of a learning step, layer by layer, and which arrays each step fills.

export const STAGES = ["forward", "loss", "backward", "update"];

/**
 * Every step of the learning step, in order.
 * @returns {{stage: string, layer: string, fills: {side: string, name: string}[]}[]}
 */
export function sequenceOf(description) {
  const { nodes, backward, input, arrays } = description;
  const filled = (side, node, letters) => letters.map((letter) => ({ side, name: node.arrays[letter] }));
  const given = arrays.filter((array) => ["input", "parameter", "given"].includes(array.role));
  const found = [
    { stage: "forward", layer: input, fills: given.map(({ name }) => ({ side: "value", name })) },
  ];
  nodes.forEach((node, place) => {
    const stage = node.equation.type === "Loss" || place === nodes.length - 1 ? "loss" : "forward";
    found.push({ stage, layer: node.name, fills: filled("value", node, [node.target, ...node.saved]) });
  });
  [...nodes].reverse().forEach((node, place) => {
    const sent = backward.filter((one) => one.node === node.name).map((one) => one.operand);
    const letters = place === 0 ? [node.target, ...sent] : sent; // the gradient of the loss is there first
    found.push({ stage: "backward", layer: node.name, fills: filled("grad", node, letters) });
  });
  for (const node of nodes.filter((one) => one.parameters.length)) {
    found.push({ stage: "update", layer: node.name, fills: filled("change", node, node.parameters) });
  }
  return found;
}

/** For each array, the step from which on it is whole: what several layers send to is so at the last. */
export function filledAt(sequence) {
  const found = new Map();
  sequence.forEach(({ fills }, place) => {
    for (const { side, name } of fills) found.set(`${side} ${name}`, place);
  });
  return found;
}
