// <gt-samples>: the samples of the step: pick one, draw one, drop one in, change its label.

import { extentOf } from "gradtrail/equation/affine.js";
import { packed, scale } from "gradtrail/view/colour.js";
import { View, button, framed, h } from "gradtrail/view/dom.js";
import { DrawView } from "gradtrail/view/draw.js";
import { pixelsOf } from "gradtrail/view/image.js";
import { logSoftmax } from "gradtrail/equation/forward.js";
import { number, percent } from "gradtrail/words/number.js";

export class SamplesView extends View {
  connectedCallback() {
    if (this.list) return;
    const { model } = this;
    this.input = model.description.input;
    this.shape = model.step.shape(this.input).slice(1);
    this.list = h("div.sample-list", { role: "radiogroup" });
    this.thumbs = Array.from({ length: model.samples }, (_, n) => this.thumb(n));
    this.list.append(...this.thumbs.map(({ button }) => button));
    this.facts = h("div.sample-facts", { "aria-live": "polite" });
    this.tools = h("div.sample-tools", {});
    this.append(this.list, this.tools, this.facts);
    this.build();
    this.draw = framed(() => this.drawNow());
    model.on("numbers sample", this.draw);
    model.on("look", () => {
      this.build();
      this.draw();
    });
    this.dropping();
    this.draw();
  }

  /** Whether samples are images that can be drawn. */
  get pictured() {
    return this.shape.length === 3;
  }

  thumb(n) {
    const [width, height] = this.shape.length > 2 ? [this.shape.at(-1), this.shape.at(-2)] : [96, 96];
    const row = this.shape.length === 1; // of features
    const canvas = h("canvas", {
      width: row ? this.shape[0] : width,
      height: row ? 1 : height,
      "aria-hidden": "true",
    });
    const label = h("span.thumb-label");
    const button = h(
      "button.thumb",
      {
        type: "button",
        role: "radio",
        "data-sample": n,
        onclick: () => this.model.choose(n),
        onkeydown: (event) => this.turned(event),
      },
      canvas,
      label,
    );
    return { button, canvas, label };
  }

  turned(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const next = (this.model.sample + by + this.model.samples) % this.model.samples;
    this.model.choose(next);
    this.thumbs[next].button.focus();
  }

  /** The controls, in the present language. */
  build() {
    const { model } = this;
    const { words } = model;
    this.list.setAttribute("aria-label", words.samples);
    const chosen = () => {
      this.take(file.files[0]);
      file.value = ""; // the same file may be chosen for the next sample
    };
    const file = h("input", { type: "file", accept: "image/*", hidden: true, onchange: chosen });
    this.tools.replaceChildren();
    if (this.pictured) {
      if (model.description.inputs.length > 1) this.tools.append(h("span.soft", {}, this.input));
      this.tools.append(
        button("button", () => DrawView.open(model, this.shape), words.drawSample, { "data-name": "draw" }),
        button("button", () => file.click(), words.dropSample, {
          "data-name": "file",
          title: words.dropHelp,
        }),
        file,
      );
    }
    this.label = null;
    this.target = null;
    if (model.description.loss.rows) this.tools.append(this.labels());
    else if (this.plainTargets) this.tools.append(this.targets());
  }

  /** Whether the loss compares with the targets as they were given. */
  get plainTargets() {
    const { label_smoothing: smoothing = 0, weight = null } = this.model.description.loss.settings;
    return smoothing === 0 && weight === null && !this.model.description.loss.mapped;
  }

  /** The chosen sample's targets, a row of numbers; behind them its weight, where samples have one. */
  get row() {
    const { source, step, description, sample } = this.model;
    const row = [...this.model.part(step.targets)];
    const { weighted, weights } = description.loss;
    if (!weighted) return row;
    const weight = step.array("value", weights)[sample];
    return weighted === "class" ? [source.state.labels[sample], weight] : [...row, weight];
  }

  /** Targets that are no classes: a row of numbers. */
  targets() {
    const { model } = this;
    const change = () => {
      const values = this.target.value
        .split(/[\s,]+/)
        .filter(Boolean)
        .map(Number);
      model.change({ kind: "target", n: model.sample, values }).then(() => this.draw());
    };
    this.target = h("input.target", { type: "text", inputmode: "decimal", onchange: change });
    const { weighted } = model.description.loss;
    return h("label.label-select", {}, `${model.words.targets[weighted ?? "plain"]} `, this.target);
  }

  labels() {
    const { model } = this;
    const { words, description } = model;
    this.label = h(
      "select",
      { onchange: () => model.change({ kind: "label", n: model.sample, label: Number(this.label.value) }) },
      ...description.loss.rows.map((_, k) => h("option", { value: k }, this.name(k))),
    );
    return h("label.label-select", {}, `${words.label} `, this.label);
  }

  // -- what is drawn ------------------------------------------------------------------------------

  drawNow() {
    const { model } = this;
    const { description, step } = model;
    const arrays = [this.input, description.output, step.targets];
    if (description.loss.weighted) arrays.push(description.loss.weights);
    const needs = arrays.map((name) => ({ side: "value", name, from: 0, to: model.samples }));
    if (!model.fetched(needs, this.draw)) return;
    this.thumbs.forEach((thumb, n) => {
      this.paint(thumb, model.part(this.input, n));
      this.mark(n, thumb.button, thumb.label);
    });
    this.tell();
  }

  /** A thumbnail, unless it has these numbers already: in a training that is followed, mostly. */
  paint(thumb, values) {
    if (thumb.painted && values.every((value, i) => value === thumb.painted[i])) return;
    thumb.painted = values.slice();
    paintSample(thumb.canvas, values, this.shape);
  }

  name(k) {
    return this.model.description.classes?.[k] ?? String(k);
  }

  mark(n, button, label) {
    const { model } = this;
    const { labels, predicted } = model.source.state;
    const chosen = n === model.sample;
    button.setAttribute("aria-checked", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    const place = model.description.numbers[n];
    let [shown, spoken, wrong] = [String(n), model.words.sample(n, place), false];
    if (predicted !== null) {
      const [own, found] = [labels, predicted].map((classes) => this.name(classes[n]));
      wrong = predicted[n] !== labels[n];
      shown = wrong ? `${own}→${found}` : own;
      spoken = model.words.sampleLabel(spoken, own, found);
    }
    button.classList.toggle("wrong", wrong);
    label.textContent = shown;
    button.setAttribute("aria-label", spoken);
    button.title = spoken;
  }

  /** The loss of the batch, and how the chosen sample's class does. */
  tell() {
    const { model } = this;
    const { words, source, description } = model;
    const { labels, predicted, loss } = source.state;
    const facts = [h("span.loss", {}, words.lossIs(number(loss, 6)))];
    if (predicted !== null) {
      const outputs = model.part(description.output);
      const row = logSoftmax(outputs, outputs.length);
      const k = predicted[model.sample];
      const right = predicted.filter((p, n) => p === labels[n]).length;
      facts.push(
        h("span", {}, words.predicts(this.name(k), percent(Math.exp(row[k])))),
        h("span.soft", {}, words.rightOf(right, labels.length)),
      );
      if (this.label) this.label.value = String(labels[model.sample]);
    }
    if (this.target && document.activeElement !== this.target)
      this.target.value = this.row.map((value) => Number(value.toPrecision(7))).join(" ");
    this.facts.replaceChildren(...facts);
  }

  // -- images from outside ------------------------------------------------------------------------

  dropping() {
    if (!this.pictured) return;
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer?.files[0]);
    });
  }

  async take(file) {
    if (!file) return;
    try {
      const pixels = await pixelsOf(file, this.shape);
      await this.model.change({ kind: "sample", n: this.model.sample, pixels });
    } catch {
      this.model.fail(new Error(this.model.words.noImage(file.name)));
    }
  }
}

/** A sample on a canvas: sequences as curves, three channels as colours, else the first in grey, of a
 * volume its middle plane. */
export function paintSample(canvas, values, shape) {
  if (shape.length === 2) {
    paintCurves(canvas, values, shape);
    return;
  }
  const context = canvas.getContext("2d");
  const [width, height] = [canvas.width, canvas.height];
  const image = context.createImageData(width, height);
  const pixels = new Int32Array(image.data.buffer);
  const each = width * height;
  const middle = shape.length === 4 ? each * Math.floor(shape[1] / 2) : 0;
  const [low, high] = extentOf(values);
  const grey = scale(Math.max(0, high) || 1, true, Math.min(0, low));
  for (let i = 0; i < each; i++) {
    if (shape.length === 3 && shape[0] === 3) {
      pixels[i] = packed([0, 1, 2].map((c) => grey(values[c * each + i]) & 255));
    } else pixels[i] = grey(values[middle + i]);
  }
  context.putImageData(image, 0, 0);
}

/** The channels of a sequence as curves over one another, all of one scale. */
function paintCurves(canvas, values, [channels, length]) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const [low, high] = extentOf(values);
  const unit = (height - 4) / (high - low || 1);
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.strokeStyle = "black";
  context.lineWidth = 2;
  context.globalAlpha = Math.max(0.25, 1 / channels);
  for (let c = 0; c < channels; c++) {
    context.beginPath();
    for (let x = 0; x < length; x++) {
      const y = 2 + (high - values[c * length + x]) * unit;
      context.lineTo(((x + 0.5) / length) * width, Number.isFinite(y) ? y : height / 2);
    }
    context.stroke();
  }
  context.globalAlpha = 1;
}

customElements.define("gt-samples", SamplesView);
