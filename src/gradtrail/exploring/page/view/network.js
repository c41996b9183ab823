// <gt-network>: every layer with its real arrays, in order. Forward runs down on the left, backward up
// on the right, and between them stand the weights, where the two meet.

import { View, button, h } from "gradtrail/view/dom.js";
import { MapView } from "gradtrail/view/map.js";

const times = (shape) => (shape.length ? shape.join(" × ") : "1");

export class NetworkView extends View {
  connectedCallback() {
    if (this.rows) return;
    const { description } = this.model;
    this.rows = new Map();
    this.caption = h("div.columns", {});
    this.append(this.caption);
    for (const name of description.inputs) this.addRow(this.inputLayer(name));
    for (const layer of description.layers) {
      this.append(this.edge(layer));
      this.addRow(layer);
    }
    this.model.on("stage", () => this.staged());
    this.model.on("look", () => this.label());
    this.label();
    this.staged();
  }

  inputLayer(name) {
    return { name, kind: "", shape: this.model.step.shape(name).slice(1), how: [], sources: [] };
  }

  addRow(layer) {
    const { step } = this.model;
    const node = step.nodes.get(layer.name);
    const output = node ? node.arrays[node.target] : layer.name;
    const row = h(
      "section.layer",
      { "data-layer": layer.name, "aria-label": layer.name },
      this.labelOf(layer),
      h("div.values", {}, ...this.valuesOf(node, output)),
      h("div.weights", {}, ...this.weightsOf(node)),
      h(
        "div.deltas",
        {},
        ...(step.has("grad", output) && step.shape(output).length ? [this.map("grad", output)] : []),
      ),
    );
    this.rows.set(layer.name, row);
    this.append(row);
  }

  labelOf(layer) {
    const name = button("button.link.layer-name", () => this.model.describe(layer.name), "");
    for (const part of layer.name.split(/(?<=[_.])/)) name.append(part, h("wbr")); // where it may be broken
    return h(
      "div.label",
      {},
      name,
      h("span.kind", {}, layer.kind),
      h("span.shape", {}, times(layer.shape)),
      ...[...new Set(layer.how)].filter(Boolean).map((how) => h("span.how", {}, how)),
    );
  }

  map(side, name, looks) {
    return MapView.of(this.model, side, name, looks);
  }

  /** What a layer computes: its output, and what it keeps besides. */
  valuesOf(node, output) {
    const { description } = this.model;
    if (!node) return [this.map("value", output, { grey: true, aim: 84 })];
    const rest = description.arrays.filter(
      ({ name, role, layer, shape }) =>
        layer === node.name &&
        ["saved", "given"].includes(role) &&
        name !== node.arrays[node.equation.winner] &&
        shape.length,
    );
    return [this.map("value", output), ...rest.map(({ name }) => this.map("value", name, { aim: 40 }))];
  }

  /** The layer's weights, the gradient of each, and what the update would change. */
  weightsOf(node) {
    if (!node) return [];
    const looks = { aim: 20, low: true, short: true };
    return node.parameters.map((letter) => {
      const maps = ["value", "grad", "change"].map((side) => this.map(side, node.arrays[letter], looks));
      return h("div.parameter", {}, ...maps);
    });
  }

  /** The edge above a layer: what goes down it, and what comes back. */
  edge(layer) {
    const { step } = this.model;
    const shapes = layer.sources.map((name) => times(step.shape(name).slice(1)));
    const before = this.querySelector(".layer:last-of-type")?.dataset.layer;
    const makers = layer.sources.map((name) => step.producers.get(name)?.name ?? name);
    const from = makers.every((name) => name === before) ? "" : ` ← ${makers.join(", ")}`;
    return h(
      "div.edge",
      { "data-layer": layer.name },
      h("span.down", {}, `↓ ${shapes.join(", ")}${from}`),
      h("span.up", {}, `↑ ${shapes.join(", ")}`),
    );
  }

  label() {
    const { words } = this.model;
    const heads = [words.layer, words.forwardColumn, words.weightsColumn, words.backwardColumn];
    this.caption.replaceChildren(...heads.map((head) => h("span", {}, head)));
  }

  /** Mark the layer at which the stage is, and bring it into sight while stepping. */
  staged() {
    const { stage } = this.model;
    this.dataset.stage = stage.stage;
    for (const [name, row] of this.rows) row.classList.toggle("current", name === stage.layer);
    for (const edge of this.querySelectorAll(".edge"))
      edge.classList.toggle("current", edge.dataset.layer === stage.layer);
    if (this.model.stepping)
      this.rows.get(stage.layer)?.scrollIntoView({ block: "nearest", behavior: "instant" });
  }
}

customElements.define("gt-network", NetworkView);
