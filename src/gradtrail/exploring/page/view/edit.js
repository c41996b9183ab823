// Changing a weight or a pixel: a number, and a slider around it.

import { extentOf } from "gradtrail/equation/affine.js";
import { View, h, oneByOne } from "gradtrail/view/dom.js";

export class EditView extends View {
  /** The form for an element that can be changed, where it is pinned; null for others. */
  static for(model, cell, value) {
    const { role } = model.step.arrays.get(cell.name);
    const editable = cell.side === "value" && ["parameter", "input"].includes(role) && model.isPinned(cell);
    if (!editable) return null;
    // the one that is being dragged stays, while everything around it changes
    const held = model.editing;
    if (held && held.cell === cell && held.words === model.words) return held;
    model.editing = this.of(model, { cell, value, role, words: model.words });
    return model.editing;
  }

  connectedCallback() {
    if (this.field) {
      this.follow();
      return;
    }
    const { role, words } = this;
    const [low, high] = this.ends();
    const step = Number(((high - low) / 200).toPrecision(1));
    const made = oneByOne((value) => this.change(value));
    const change = ({ target }) => Number.isFinite(target.valueAsNumber) && made(target.valueAsNumber);
    this.field = h("input.field", {
      type: "number",
      step: "any",
      "aria-label": words.newValue,
      onchange: change,
    });
    this.slider = h("input.slider", {
      type: "range",
      min: low,
      max: high,
      step,
      "aria-label": words.newValue,
      oninput: change,
    });
    this.append(
      h("label", {}, role === "input" ? words.editPixel : words.editWeight),
      this.slider,
      this.field,
    );
    this.follow();
  }

  /** What the slider reaches: an image's range, or some way around a weight. */
  ends() {
    const [low, high] = extentOf(this.model.step.array("value", this.cell.name));
    const most = Math.max(Math.abs(this.value), -low, high);
    if (this.role === "input" && low >= 0) return [0, Math.max(1, most)];
    return [-2 * most || -1, 2 * most || 1];
  }

  follow() {
    const { name, index } = this.cell;
    const now = this.model.step.at("value", name, index);
    if (document.activeElement !== this.slider) this.slider.value = String(now);
    this.shown = String(Number(now.toPrecision(7)));
    if (document.activeElement !== this.field) this.field.value = this.shown;
  }

  async change(value) {
    const { name, index } = this.cell;
    const made = await this.model.change({ kind: "element", name, index, value });
    if (!made) this.field.value = this.shown; // what was refused does not stay
    this.follow();
  }
}

customElements.define("gt-edit", EditView);
