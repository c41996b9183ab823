// <gt-update>: one step of the optimiser, and the loss before and after it.

import { h } from "gradtrail/view/dom.js";
import { number } from "gradtrail/words/number.js";

export class UpdateView extends HTMLElement {
  static of(model) {
    return Object.assign(document.createElement("gt-update"), { model });
  }

  connectedCallback() {
    if (this.built) return;
    this.built = true;
    this.losses = null;
    this.model.on("numbers look", () => this.show());
    this.show();
  }

  show() {
    const { model } = this;
    const { words, source } = model;
    const { state } = source;
    if (this.rate && document.activeElement === this.rate) {
      this.tell();
      return;
    }
    this.rate = h("input.rate", {
      type: "number", step: "any", min: "0", value: state.lr,
      onchange: () => model.change({ kind: "rate", lr: this.rate.valueAsNumber }),
    });
    this.told = h("span.before-after", { "aria-live": "polite" });
    this.replaceChildren(
      h("label", {}, `${words.rate} `, this.rate),
      h("button.main", { type: "button", "data-name": "apply", title: model.description.optimizer.text, onclick: () => this.apply() }, words.applyUpdate),
      h("button", { type: "button", "data-name": "reset", disabled: !state.edited && !state.updates, onclick: () => this.reset() }, words.reset),
      this.told,
    );
    this.tell();
  }

  tell() {
    const { words, source } = this.model;
    this.told.textContent = this.losses
      ? words.beforeAfter(source.state.updates, ...this.losses.map((loss) => number(loss, 5)))
      : "";
  }

  async apply() {
    const before = this.model.source.state.loss;
    const made = await this.model.change({ kind: "update" });
    if (!made) return;
    this.losses = [before, this.model.source.state.loss];
    this.show();
  }

  async reset() {
    await this.model.change({ kind: "reset" });
    this.losses = null;
    this.show();
  }
}

customElements.define("gt-update", UpdateView);
