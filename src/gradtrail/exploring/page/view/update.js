// <gt-update>: one step of the optimiser, and the loss before and after it.

import { View, button, h } from "gradtrail/view/dom.js";
import { optimizerText } from "gradtrail/view/update-card.js";
import { number } from "gradtrail/words/number.js";

export class UpdateView extends View {
  connectedCallback() {
    if (this.built) return;
    this.built = true;
    this.losses = null;
    this.model.on("look", () => this.show());
    this.model.on("numbers", () => {
      if (!this.applying) this.losses = null; // they were those of another step
      this.tell();
    });
    this.show();
  }

  show() {
    const { model } = this;
    const { words, source } = model;
    const { state } = source;
    const change = async () => {
      await model.change({ kind: "rate", lr: this.rate.valueAsNumber });
      this.rate.value = String(source.state.lr); // what was refused does not stay
    };
    this.rate = h("input.rate", { type: "number", step: "any", min: "0", value: state.lr, onchange: change });
    this.back = button("button", () => this.reset(), words.reset, { "data-name": "reset" });
    const apply = { "data-name": "apply", title: optimizerText(model) };
    this.told = h("span.before-after", { "aria-live": "polite" });
    this.replaceChildren(
      h("label", {}, `${words.rate} `, this.rate),
      button("button.main", () => this.apply(), words.applyUpdate, apply),
      this.back,
      this.told,
    );
    this.tell();
  }

  tell() {
    const { words, source } = this.model;
    const { updates, edited, lr } = source.state;
    const losses = this.losses?.map((loss) => number(loss, 5));
    this.told.textContent = losses ? words.beforeAfter(updates, ...losses) : "";
    this.back.disabled = !edited && !updates && lr === this.model.description.state.lr;
    if (document.activeElement !== this.rate) this.rate.value = String(lr);
  }

  async apply() {
    const before = this.model.source.state.loss;
    this.applying = true;
    const made = await this.model.change({ kind: "update" });
    this.applying = false;
    if (!made) return;
    this.losses = [before, this.model.source.state.loss];
    this.tell();
  }

  async reset() {
    await this.model.change({ kind: "reset" });
    this.losses = null;
    this.tell();
  }
}

customElements.define("gt-update", UpdateView);
