// <gt-live>: a training that is followed: its curves, and how large weights and gradients are.

import { framed, h, sharp } from "gradtrail/view/dom.js";
import { count, number, percent } from "gradtrail/words/number.js";

const EVERY = 1000;
const PICTURE = [420, 120];

export class LiveView extends HTMLElement {
  static of(model) {
    return Object.assign(document.createElement("gt-live"), { model });
  }

  connectedCallback() {
    if (this.canvas) return;
    this.losses = [];
    this.canvas = h("canvas.curve", { role: "img" });
    this.facts = h("p.live-facts", { "aria-live": "off" });
    this.health = h("table.health");
    this.follow = h("button", { type: "button", "data-name": "follow", onclick: () => this.model.change({ kind: "follow" }) });
    this.append(h("div.live-curve", {}, this.facts, this.canvas, this.follow), h("div.scroll", { tabindex: "0" }, this.health));
    this.draw = framed(() => this.drawNow());
    this.model.on("look", this.draw);
    this.poll();
  }

  async poll() {
    try {
      const told = await this.model.source.live(this.losses.at(-1)?.[0] ?? 0);
      this.losses.push(...told.losses);
      this.told = told;
      this.draw();
      if (told.following && told.version > this.model.source.state.version) await this.refresh();
      if (told.running) setTimeout(() => this.poll(), EVERY);
    } catch (error) {
      if (error.status === 404) this.remove();
      else setTimeout(() => this.poll(), 3 * EVERY);
    }
  }

  /** Show the weights of the latest snapshot. */
  async refresh() {
    await this.model.source.latest();
  }

  drawNow() {
    const { told, model } = this;
    if (!told) return;
    const { words } = model;
    const accuracy = told.history.validation_accuracy?.at(-1);
    this.facts.textContent = words.liveFacts(told, this.losses.length ? number(this.losses.at(-1)[1]) : "—", accuracy === undefined ? null : percent(accuracy));
    this.follow.textContent = told.following ? words.following : words.follow;
    this.follow.disabled = told.following;
    this.curve();
    this.table();
  }

  curve() {
    const [width, height] = PICTURE;
    const context = sharp(this.canvas, width, height);
    const style = getComputedStyle(this);
    const { words } = this.model;
    const total = Math.max(1, this.told.steps * this.told.epochs);
    const most = Math.max(...this.losses.map(([, loss]) => loss), 1e-9);
    const x = (step) => 34 + (step / total) * (width - 40);
    const y = (loss) => 8 + (1 - loss / most) * (height - 26);
    context.font = "10px system-ui";
    context.fillStyle = style.getPropertyValue("--soft");
    context.strokeStyle = style.getPropertyValue("--line");
    context.strokeRect(34, 8, width - 40, height - 26);
    context.fillText(number(most, 2), 2, 14);
    context.fillText("0", 24, height - 18);
    context.fillText(words.steps(count(total)), width - 80, height - 4);
    context.strokeStyle = style.getPropertyValue("--accent");
    context.lineWidth = 1.4;
    context.beginPath();
    this.losses.forEach(([step, loss], i) => (i ? context.lineTo(x(step), y(loss)) : context.moveTo(x(step), y(loss))));
    context.stroke();
    this.canvas.setAttribute("aria-label", words.curveLabel(this.losses.length ? number(this.losses.at(-1)[1]) : "—"));
  }

  table() {
    const { words } = this.model;
    const rows = this.told.health.map(({ layer, name, weight, gradient, dead }) =>
      h("tr", {}, h("th", { scope: "row" }, name ?? layer), ...[weight, gradient].map((value) => h("td.number", {}, value === null ? "" : number(value, 3))), h("td.number", {}, dead === null ? "" : percent(dead))),
    );
    const heads = [words.layer, words.weightRms, words.gradientRms, words.deadShare];
    this.health.replaceChildren(h("caption", {}, words.health), h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, ...rows));
  }
}

customElements.define("gt-live", LiveView);
