// The four stages of a learning step, layer by layer, and which arrays each step fills.

export const STAGES = ["forward", "loss", "backward", "update"];

/**
 * Every step of the learning step, in order.
 * @returns {{stage: string, layer: string, fills: {side: string, name: string}[]}[]}
 */
export function sequenceOf(description) {
  const { nodes, backward, input, arrays } = description;
  const outputsOf = (node) =>
    [node.target, ...node.saved].map((letter) => ({ side: "value", name: node.arrays[letter] }));
  const given = arrays.filter((array) => ["input", "parameter", "given"].includes(array.role));
  const found = [
    { stage: "forward", layer: input, fills: given.map(({ name }) => ({ side: "value", name })) },
  ];
  nodes.forEach((node, place) => {
    const stage = place === nodes.length - 1 ? "loss" : "forward";
    found.push({ stage, layer: node.name, fills: outputsOf(node) });
  });
  const last = nodes.at(-1);
  const start = [{ side: "grad", name: last.arrays[last.target] }];
  [...nodes].reverse().forEach((node, place) => {
    const sent = backward.filter((one) => one.node === node.name).map((one) => node.arrays[one.operand]);
    const fills = sent.map((name) => ({ side: "grad", name }));
    found.push({ stage: "backward", layer: node.name, fills: place === 0 ? [...start, ...fills] : fills });
  });
  for (const node of nodes.filter((one) => one.parameters.length)) {
    const fills = node.parameters.map((letter) => ({ side: "change", name: node.arrays[letter] }));
    found.push({ stage: "update", layer: node.name, fills });
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
