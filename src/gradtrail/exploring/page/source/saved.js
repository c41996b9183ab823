// A page without a server: the step lies in the page, and what is edited is computed here.

import { placeOf, sizeOf } from "gradtrail/equation/affine.js";
import { Arrays, keptAs } from "gradtrail/step/arrays.js";
import { ruleOf, runBackward, runForward, scalarsOf, updated } from "gradtrail/step/running.js";
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
    const memory = new Map();
    for (const { side, name, state, array } of arrays) {
      if (side !== "memory") source.arrays.set(side, name, array);
      else memory.set(name, { ...memory.get(name), [state]: copyOf(array) });
    }
    source.step = new Step(description, source.arrays);
    const { value, grad } = source.arrays.sides;
    source.first = { state: description.state, value: new Map(value), grad: new Map(grad), memory };
    source.begin();
    return source;
  }

  /** Whether everything that can be asked for is here already. */
  complete = true;

  get description() {
    return this.step.description;
  }

  /** The step as it was saved. */
  begin() {
    this.state = structuredClone(this.first.state);
    this.memory = structuredClone(this.first.memory);
    this.arrays.sides.value = new Map(this.first.value);
    this.arrays.sides.grad = new Map(this.first.grad);
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
    [this.state.loss] = value.get(this.step.loss);
    this.arrays.sides.change = this.changes(value, grad);
    this.dispatchEvent(new Event("change"));
  }

  /** What the next update would add to each parameter. */
  changes(values, gradients) {
    const { optimizer } = this.description;
    const found = new Map();
    this.after = new Map();
    for (const { name } of this.step.parameters) {
      const memory = structuredClone(this.memory.get(name) ?? {});
      const weight = values.get(name);
      if (optimizer.frozen?.includes(name)) {
        this.after.set(name, { moved: weight, memory });
        found.set(name, new Float64Array(weight.length));
        continue;
      }
      const { rule, rate } = ruleOf(optimizer, name, this.state.lr);
      const scalars = scalarsOf(rule, rate, this.state.steps + 1);
      const moved = updated(rule, scalars, weight, gradients.get(name), memory);
      this.after.set(name, { moved, memory });
      found.set(
        name,
        moved.map((value, i) => value - weight[i]),
      );
    }
    return found;
  }

  /** Make changes; see `gradtrail.exploring.session.Session.apply`. */
  async change(changes) {
    for (const change of changes) {
      this.check(change);
      this.one(change);
    }
    return this.state;
  }

  /** Refuse what is no number here: `told` is which sentence says so. */
  check({ kind, lr, value, values = [], pixels = [] }) {
    const refused = (told, what) => Object.assign(new Error(`${kind}: ${what}`), { told });
    const { input, output, loss } = this.description;
    const [pixel, outputs] = [input, output].map((name) => sizeOf(this.step.shape(name).slice(1)));
    const row = { class: 2, targets: outputs + 1 }[loss.weighted] ?? outputs;
    const wanted = { sample: [pixels, pixel], target: [values, row] }[kind];
    if (wanted && wanted[0].length !== wanted[1]) throw refused("badLength", wanted[0].length);
    if (kind === "target" && loss.weighted && !(values.at(-1) >= 0)) throw refused("badWeight", values);
    const classes = Number.isInteger(values[0]) && values[0] >= 0 && values[0] < outputs;
    if (kind === "target" && loss.weighted === "class" && !classes) throw refused("badClass", values);
    if (kind === "rate" && !(Number.isFinite(lr) && lr > 0)) throw refused("badRate", lr);
    const largest = this.description.dtype === "float32" ? 3.4028234e38 : Number.MAX_VALUE;
    const numbers = kind === "element" ? [value] : values;
    if (numbers.some((one) => !(Math.abs(one) <= largest))) throw refused("badNumber", numbers);
  }

  one(change) {
    if (change.kind === "reset") {
      this.begin();
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

  edit(values, { kind, name, index, value, n, pixels, label, values: row }) {
    const { input } = this.description;
    if (kind === "element") values.get(name)[placeOf(this.step.shape(name), index)] = value;
    else if (kind === "sample") values.get(input).set(pixels, n * pixels.length);
    else if (kind === "label") this.relabel(values, n, label);
    else if (kind === "target") this.retarget(values, n, row);
    else {
      for (const [parameter, { moved, memory }] of this.after) {
        values.set(parameter, moved);
        this.memory.set(parameter, memory);
      }
      this.state.updates++;
      this.state.steps++;
    }
  }

  /** Other targets: a row for each label, times what the labels' weights make of it. */
  relabel(values, n, label) {
    const { rows, masses } = this.description.loss;
    const { labels } = this.state;
    labels[n] = label;
    const mass = labels.reduce((sum, k) => sum + (masses[k] ?? 0), 0);
    const scale = mass ? labels.length / mass : 0;
    const target = values.get(this.step.targets);
    const nothing = rows[0].map(() => 0); // of a label that is left out
    labels.forEach((k, sample) =>
      (rows[k] ?? nothing).forEach(
        (share, place) => (target[sample * nothing.length + place] = scale * share),
      ),
    );
  }

  /** A row of numbers to compare with; the last one is the sample's weight, where samples have one. */
  retarget(values, n, row) {
    const { labels, predicted } = this.state;
    const { weighted, weights } = this.description.loss;
    let compared = row;
    if (weighted) {
      if (values.has(weights)) values.get(weights)[n] = row.at(-1); // else the loss sums its targets
      compared = row.slice(0, -1);
    }
    if (weighted === "class") {
      const outputs = sizeOf(this.step.shape(this.description.output).slice(1));
      compared = Array.from({ length: outputs }, (_, k) => (k === row[0] ? row[1] : 0));
    }
    values.get(this.step.targets).set(compared, n * compared.length);
    if (predicted !== null) labels[n] = compared.indexOf(Math.max(...compared));
    else labels[n] = Array.isArray(labels[n]) ? row : row[0];
    if (weighted === "class") [labels[n]] = row;
  }

  /** The greatest output of each sample; a NaN is before all. */
  predict() {
    if (this.state.predicted === null) return;
    const outputs = this.arrays.array("value", this.description.output);
    const classes = outputs.length / this.state.predicted.length;
    this.state.predicted = this.state.predicted.map((_, n) => {
      const row = outputs.subarray(n * classes, (n + 1) * classes);
      const wrong = row.findIndex(Number.isNaN);
      return wrong >= 0 ? wrong : row.indexOf(Math.max(...row));
    });
  }

  /** This page with the step as it is now, as a file; numbers keep the precision that they came in. */
  async file() {
    const arrays = [];
    for (const side of ["value", "grad"]) {
      for (const [name, array] of this.arrays.sides[side]) {
        arrays.push({ side, name, array: keptAs(this.step.dtype(side, name), array) });
      }
    }
    for (const [name, held] of this.memory) {
      for (const [state, array] of Object.entries(held)) arrays.push({ side: "memory", name, state, array });
    }
    const state = { ...this.state, edited: false, updates: 0 };
    const text = await pack({ ...this.description, state }, arrays);
    const page = this.shell.replace(/(<script[^>]*id="session"[^>]*>)[^<]*/, (_, tag) => tag + text);
    return new Blob([page], { type: "text/html" });
  }
}
