// <gt-live>: a training that is followed: its curves, and how large weights and gradients are.

import { View, button, figuresRow, framed, h, sharp } from "gradtrail/view/dom.js";
import { count, number, percent } from "gradtrail/words/number.js";

const EVERY = 2000;

/** How often a training is asked about that has ended. */
const RARELY = 6000;

/** A new version is shown so often that fetching and drawing it take about this part of the time. */
const SHARE = 1 / 60;
const PICTURE = [420, 142];
const [LEFT, TOP, BELOW] = [46, 8, 30];

/** How many points a curve has at most. */
const POINTS = 900;

/** As many neighbours made one as it takes to have few points; the last one stays what it is. */
function thinned(losses) {
  while (losses.length > POINTS) {
    const halved = [];
    for (let i = 0; i + 1 < losses.length; i += 2) {
      halved.push([losses[i + 1][0], (losses[i][1] + losses[i + 1][1]) / 2]);
    }
    losses = losses.length % 2 ? [...halved, losses.at(-1)] : halved;
  }
  return losses;
}

/** A trailing mean covers about this part of the steps so far. */
const SMOOTH = 1 / 30;

/** The losses without their noise: each point weighs less, the more steps ago it was. */
export function smoothed(losses) {
  const memory = Math.max(1, (losses.at(-1)?.[0] ?? 0) * SMOOTH);
  let [mean, known, before] = [0, 0, 0];
  return losses.map(([step, loss]) => {
    const kept = Math.exp((before - step) / memory);
    mean = kept * mean + (1 - kept) * loss;
    known = kept * known + (1 - kept); // what the first points lack of a whole mean
    before = step;
    return [step, mean / known];
  });
}

/** At most so many marks stand below a curve. */
const TICKS = 6;

/**
 * The marks below a curve: whole epochs, evenly spaced from 0 on; steps where there is one epoch.
 * @param {number} steps of an epoch
 * @param {number} epochs
 * @returns {{unit: "epoch" | "step", marks: [number, number][]}} where each stands, in steps, and its number
 */
export function axisMarks(steps, epochs) {
  const [unit, size, most] = epochs > 1 ? ["epoch", steps, epochs] : ["step", 1, Math.max(1, steps)];
  const least = most / TICKS;
  const power = 10 ** Math.floor(Math.log10(least));
  const apart = Math.max(
    1,
    [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least * 0.999),
  );
  const marks = Array.from({ length: Math.floor(most / apart) + 1 }, (_, n) => [n * apart * size, n * apart]);
  return { unit, marks };
}

export class LiveView extends View {
  connectedCallback() {
    if (this.canvas) return;
    this.losses = [];
    this.rested = 0;
    this.canvas = h("canvas.curve", { role: "img" });
    this.facts = h("p.live-facts", { "aria-live": "off" });
    this.health = h("table.health");
    const follow = () => this.model.change({ kind: "follow" });
    this.follow = button("button", follow, "", { "data-name": "follow" });
    this.key = h("p.soft.live-key");
    this.append(
      h("div.live-curve", {}, this.facts, this.canvas, this.key, this.follow),
      h("div.scroll", { tabindex: "0" }, this.health),
    );
    this.draw = framed(() => this.drawNow());
    this.model.on("look numbers", this.draw);
    this.poll();
  }

  /** Ask how it goes on; a new version is shown when the last one's cost is a small part of the time. */
  async poll() {
    const { source } = this.model;
    try {
      const told = await source.live(this.losses.at(-1)?.[0] ?? 0);
      this.losses = thinned([...this.losses, ...told.losses]);
      this.told = told;
      this.draw();
      const newer = told.following && told.version > source.state.version;
      if (newer && (performance.now() > this.rested || !told.running)) {
        this.rested = performance.now() + (await this.refresh()) / SHARE;
      }
      setTimeout(() => this.poll(), told.running ? EVERY : RARELY); // an edit may be taken back later
    } catch (error) {
      if (error.status === 0) this.ended();
      else setTimeout(() => this.poll(), RARELY);
    }
  }

  /** The process that trained is gone. */
  ended() {
    this.model.fail(Object.assign(new Error(), { status: 0 }));
    this.over = true;
    this.facts.textContent = this.model.words.ended;
    this.follow.disabled = true;
  }

  /** Show the weights of the latest snapshot; gives the milliseconds until they are on the screen. */
  async refresh() {
    const begun = performance.now();
    await this.model.source.latest();
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    return performance.now() - begun;
  }

  get lastLoss() {
    return this.losses.length ? number(this.losses.at(-1)[1]) : "—";
  }

  drawNow() {
    const { told, model } = this;
    if (!told || this.over) return;
    const { words } = model;
    const accuracy = told.history.validation_accuracy?.at(-1);
    this.facts.textContent = words.liveFacts(
      told,
      this.lastLoss,
      accuracy === undefined ? null : percent(accuracy),
      told.rate === null ? "—" : number(told.rate),
      String(Math.round(told.seconds)),
    );
    const { following } = model.source.state;
    this.follow.textContent = following ? words.following : words.follow;
    this.follow.disabled = following;
    const held = told.history.validation_loss?.length;
    this.key.textContent = held ? `${words.curveKey} ${words.curveDots}` : words.curveKey;
    this.curve();
    const known = `${told.version} ${this.model.options.language}`;
    if (known !== this.known) this.table();
    this.known = known;
  }

  /** The losses of steps, faint, and their mean as lines; the validation's as dots; on a logarithmic scale. */
  curve() {
    const [width, height] = PICTURE;
    const context = sharp(this.canvas, width, height);
    const style = getComputedStyle(this);
    const { words } = this.model;
    const { steps, epochs, history } = this.told;
    const total = Math.max(1, steps * epochs);
    const held = (history.validation_loss ?? []).map((loss, epoch) => [(epoch + 1) * steps, loss]);
    const shown = [...this.losses, ...held].filter(([, loss]) => loss > 0).map(([, loss]) => loss);
    const most = 10 ** Math.ceil(Math.log10(Math.max(1e-9, ...shown)));
    const least = 10 ** Math.max(Math.log10(most) - 5, Math.floor(Math.log10(Math.min(most / 10, ...shown))));
    const x = (step) => LEFT + (step / total) * (width - LEFT - 6);
    const share = (loss) => Math.max(0, Math.log(loss / least) / Math.log(most / least));
    const y = (loss) => TOP + (1 - share(Math.max(loss, least))) * (height - TOP - BELOW);
    context.font = "10px system-ui";
    context.fillStyle = style.getPropertyValue("--soft");
    context.strokeStyle = style.getPropertyValue("--line");
    context.textAlign = "right";
    for (let line = least; line <= most * 1.01; line *= 10) {
      context.strokeRect(LEFT, y(line), width - LEFT - 6, 0);
      context.fillText(number(line, 2), LEFT - 5, y(line) + 3);
    }
    const { unit, marks } = axisMarks(steps, epochs);
    context.textAlign = "center";
    for (const [step, label] of marks) {
      context.strokeRect(x(step), height - BELOW, 0, 3);
      const written = count(label);
      const inside = width - context.measureText(written).width / 2;
      context.fillText(written, Math.min(x(step), inside), height - BELOW + 12);
    }
    context.textAlign = "right";
    context.fillText(words.axes[unit], width - 6, height - 2);
    context.strokeStyle = style.getPropertyValue("--accent");
    const line = (points, width, alpha) => {
      [context.lineWidth, context.globalAlpha] = [width, alpha];
      context.beginPath();
      for (const [step, loss] of points) context.lineTo(x(step), y(loss));
      context.stroke();
    };
    line(this.losses, 0.8, 0.3);
    line(smoothed(this.losses), 1.6, 1);
    context.fillStyle = style.getPropertyValue("--tie");
    for (const [step, loss] of held) context.fillRect(x(step) - 1.5, y(loss) - 1.5, 3, 3);
    this.canvas.setAttribute("aria-label", words.curveLabel(this.lastLoss, words.axes[unit]));
  }

  table() {
    const { words } = this.model;
    const rows = this.told.health.map(({ layer, name, weight, gradient, dead }) =>
      figuresRow(
        name ?? layer,
        ...[weight, gradient].map((value) => (value === null ? "" : number(value, 3))),
        dead === null ? "" : percent(dead),
      ),
    );
    const heads = [words.layer, words.weightRms, words.gradientRms, words.deadShare];
    this.health.replaceChildren(
      h("caption", {}, words.health),
      h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, ...rows),
    );
  }
}

customElements.define("gt-live", LiveView);
