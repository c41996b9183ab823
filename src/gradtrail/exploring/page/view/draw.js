// <gt-draw>: a sheet to draw a sample on with mouse, pen or finger; the step follows while one draws.

import { View, button, framed, h, oneByOne } from "gradtrail/view/dom.js";
import { numbersOf } from "gradtrail/view/image.js";
import { paintSample } from "gradtrail/view/samples.js";

const SHEET = 280;

/** A stroke about as thick as those of digits: relatively thicker where there are few pixels. */
const brushFor = ([, height, width]) => SHEET * (0.045 + 0.95 / Math.min(height, width));

export class DrawView extends View {
  static open(model, shape) {
    const made = this.of(model, { shape });
    document.querySelector("gt-explorer").append(made);
    made.dialog.showModal();
  }

  connectedCallback() {
    const { words } = this.model;
    this.sheet = h("canvas.sheet", {
      width: SHEET,
      height: SHEET,
      role: "img",
      "aria-label": words.sheetLabel,
      onpointerdown: (event) => this.begin(event),
      onpointermove: (event) => this.line(event),
      onpointerup: () => (this.last = null),
      onpointercancel: () => (this.last = null),
    });
    this.context = this.sheet.getContext("2d");
    this.ink = h("canvas", { width: SHEET, height: SHEET }); // the strokes alone
    this.strokes = this.ink.getContext("2d");
    this.under = null;
    this.dialog = h(
      "dialog.draw",
      { "aria-labelledby": "draw-title", onclose: () => this.remove() },
      h("h2", { id: "draw-title" }, words.drawTitle),
      h("p.soft", {}, words.drawHelp),
      this.sheet,
      h(
        "div.buttons",
        {},
        button("button", () => this.clear(), words.clear, { "data-name": "clear" }),
        button("button", () => this.present(), words.startFromSample, { "data-name": "start" }),
        button("button.main", () => this.dialog.close(), words.done, { "data-name": "done" }),
      ),
    );
    this.append(this.dialog);
    this.send = framed(oneByOne(() => this.sendNow()));
    this.blank();
  }

  blank() {
    this.context.fillStyle = "black";
    this.context.fillRect(0, 0, SHEET, SHEET);
    this.strokes.clearRect(0, 0, SHEET, SHEET);
  }

  clear() {
    this.under = null;
    this.blank();
    this.send();
  }

  /** Begin with the sample that is there: what is drawn lies over its own numbers. */
  present() {
    const [, height, width] = this.shape;
    this.under = [...this.model.part(this.model.description.input)];
    const small = h("canvas", { width, height });
    paintSample(small, this.under, this.shape);
    this.blank();
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(small, 0, 0, SHEET, SHEET);
  }

  at(event) {
    const box = this.sheet.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * SHEET) / box.width,
      ((event.clientY - box.top) * SHEET) / box.height,
    ];
  }

  begin(event) {
    this.sheet.setPointerCapture(event.pointerId);
    this.last = this.at(event);
    this.line(event);
  }

  line(event) {
    if (!this.last) return;
    const to = this.at(event);
    for (const context of [this.context, this.strokes]) {
      context.lineCap = "round";
      context.lineJoin = "round";
      context.strokeStyle = "white";
      context.lineWidth = brushFor(this.shape);
      context.beginPath();
      context.moveTo(...this.last);
      context.lineTo(...to);
      context.stroke();
    }
    this.last = to;
    this.send();
  }

  /** Hand the sheet on as a sample. */
  sendNow() {
    const drawn = numbersOf(this.ink, this.shape);
    const pixels = this.under ? drawn.map((ink, i) => ink + (1 - ink) * this.under[i]) : drawn;
    return this.model.change({ kind: "sample", n: this.model.sample, pixels });
  }
}

customElements.define("gt-draw", DrawView);
