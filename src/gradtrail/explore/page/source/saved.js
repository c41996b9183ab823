// A page without a server: the step lies in the page, and what is edited is computed here.

import { placeOf } from "gradtrail/equation/affine.js";
import { Arrays } from "gradtrail/step/arrays.js";
import { runBackward, runForward, scalarsOf, updated } from "gradtrail/step/running.js";
import { Step } from "gradtrail/step/step.js";
import { pack, unpack } from "gradtrail/source/payload.js";

const KEPT = ["input", "parameter", "given"];
const copyOf = (array) => Float64Array.from(array);

export class SavedSource extends EventTarget {
  /** The source of the page as it was read, before anything was drawn into it. */
  static async open(document) {
    const source = new SavedSource();
    source.shell = `<!doctype html>\n${document.documentElement.outerHTML}`;
    const { description, arrays } = await unpack(document.getElementById("session").textContent);
    source.arrays = new Arrays();
    for (const { side, name, array } of arrays) source.arrays.set(side, name, array);
    source.step = new Step(description, source.arrays);
    source.begin(structuredClone(description.state), new Map(source.arrays.sides.value), new Map(source.arrays.sides.grad));
    return source;
  }

  get description() {
    return this.step.description;
  }

  /** Whether everything that can be asked for is here already. */
  get complete() {
    return true;
  }

  begin(state, values, gradients) {
    this.first ??= { state, values, gradients };
    this.state = structuredClone(state);
    this.memory = new Map();
    this.arrays.sides.value = new Map(values);
    this.arrays.sides.grad = new Map(gradients);
    this.renew();
  }

  /** Everything is here. */
  has() {
    return true;
  }

  async load() {}

  /** The numbers are others from now on. */
  renew() {
    this.arrays.version++;
    this.state.version = this.arrays.version;
    const { value, grad } = this.arrays.sides;
    this.state.loss = value.get(this.lossName)[0];
    this.arrays.sides.change = this.changes(value, grad);
    this.dispatchEvent(new Event("change"));
  }

  get lossName() {
    const last = this.description.nodes.at(-1);
    return last.arrays[last.target];
  }

  /** What the next update would add to each parameter. */
  changes(values, gradients) {
    const { optimizer } = this.description;
    const scalars = scalarsOf(optimizer, this.state.lr, this.state.updates + 1);
    const found = new Map();
    this.after = new Map();
    for (const { name } of this.step.parameters) {
      const memory = structuredClone(this.memory.get(name) ?? {});
      const weight = values.get(name);
      const moved = updated(optimizer, scalars, weight, gradients.get(name), memory);
      this.after.set(name, { moved, memory });
      found.set(name, moved.map((value, i) => value - weight[i]));
    }
    return found;
  }

  /** Make changes; see `gradtrail.explore.session.Session.apply`. */
  async change(changes) {
    for (const change of changes) this.one(change);
    return this.state;
  }

  one(change) {
    if (change.kind === "reset") {
      this.begin(this.first.state, this.first.values, this.first.gradients);
      return;
    }
    if (change.kind === "rate") {
      this.state.lr = change.lr;
      this.renew();
      return;
    }
    const values = new Map();
    for (const { name, role } of this.description.arrays) {
      if (KEPT.includes(role)) values.set(name, copyOf(this.arrays.array("value", name)));
    }
    this.edit(values, change);
    this.state.edited ||= change.kind !== "update";
    runForward(this.description, values);
    this.arrays.sides.value = values;
    this.arrays.sides.grad = runBackward(this.description, values);
    this.predict();
    this.renew();
  }

  edit(values, { kind, name, index, value, n, pixels, label }) {
    const input = this.description.input;
    if (kind === "element") values.get(name)[placeOf(this.step.shape(name), index)] = value;
    else if (kind === "sample") values.get(input).set(pixels, n * pixels.length);
    else if (kind === "label") this.relabel(values, n, label);
    else {
      for (const [parameter, { moved, memory }] of this.after) {
        values.set(parameter, moved);
        this.memory.set(parameter, memory);
      }
      this.state.updates++;
    }
  }

  /** Other targets: a row for each label, times what the labels' weights make of it. */
  relabel(values, n, label) {
    const { rows, masses } = this.description.loss;
    const { labels } = this.state;
    labels[n] = label;
    const mass = labels.reduce((sum, k) => sum + masses[k], 0);
    const scale = mass ? labels.length / mass : 0;
    const node = this.description.nodes.at(-1);
    const target = values.get(node.arrays[node.equation.labels]);
    labels.forEach((k, sample) => rows[k].forEach((share, place) => (target[sample * rows[k].length + place] = scale * share)));
  }

  predict() {
    if (this.state.predicted === null) return;
    const outputs = this.arrays.array("value", this.description.output);
    const classes = outputs.length / this.state.predicted.length;
    this.state.predicted = this.state.predicted.map((_, n) => {
      const row = outputs.subarray(n * classes, (n + 1) * classes);
      return row.indexOf(row.reduce((best, value) => Math.max(best, value), -Infinity));
    });
  }

  /** This page with the step as it is now, as a file. */
  async file() {
    const arrays = [];
    const description = structuredClone(this.description);
    description.state = this.state;
    for (const side of ["value", "grad"]) {
      for (const [name, array] of this.arrays.sides[side]) {
        const known = description.arrays.find((one) => one.name === name);
        const key = side === "value" ? "dtype" : "gradient_dtype";
        known[key] = { Float32Array: "f4", Float64Array: "f8", Int32Array: "i4" }[array.constructor.name];
        arrays.push({ side, name, array });
      }
    }
    const text = await pack(description, arrays);
    const page = this.shell.replace(/(<script[^>]*id="session"[^>]*>)[^<]*/, (_, tag) => tag + text);
    return new Blob([page], { type: "text/html" });
  }
}
