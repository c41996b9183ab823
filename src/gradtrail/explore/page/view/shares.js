// <gt-shares>: partial sums of a sum: over positions as a picture, over samples or channels as bars.

import { css, scale } from "gradtrail/view/colour.js";
import { h } from "gradtrail/view/dom.js";
import { LAYER } from "gradtrail/step/terms.js";
import { count, number, percent } from "gradtrail/words/number.js";

const PLACES = [
  ["y", "x"],
  ["h", "w"],
  ["y′", "x′"],
  ["h′", "w′"],
];
const OFFSETS = ["i", "j"];
const SAMPLES = ["n", "n′"];
const MOST = 14;
const SIDE = 176;

export class SharesView extends HTMLElement {
  /** The ways in which a sum can be split up: what each is called, and by which indices. */
  static ways(terms) {
    if (terms.length < 2) return [];
    const moving = terms.moving;
    const pair = (names) =>
      names.every((name) => terms.indices.includes(name)) && names.some((name) => moving.includes(name));
    const found = [];
    const places = PLACES.find(pair);
    const sample = SAMPLES.find((name) => moving.includes(name));
    const taken = [...(places ?? []), ...OFFSETS, ...SAMPLES, ...PLACES.flat()];
    const channel = moving.find((name) => !taken.includes(name));
    if (sample) found.push({ key: "sample", names: [sample] });
    if (places) found.push({ key: "position", names: places });
    if (pair(OFFSETS)) found.push({ key: places ? "offset" : "position", names: OFFSETS });
    if (channel) found.push({ key: "channel", names: [channel] });
    if (terms.layers.length > 1) found.push({ key: "layer", names: [LAYER] });
    return found;
  }

  static of(model, terms, way) {
    return Object.assign(document.createElement("gt-shares"), { model, terms, way });
  }

  connectedCallback() {
    if (this.firstChild) return;
    const shares = this.terms.by(...this.way.names);
    this.limit = shares.reduce(
      (most, { sum }) => Math.max(most, Number.isFinite(sum) ? Math.abs(sum) : 0),
      0,
    );
    this.append(this.way.names.length === 2 ? this.picture(shares) : this.bars(shares));
  }

  /** A picture over two indices, in the diverging colours. */
  picture(shares) {
    const [rows, columns] = [0, 1].map((axis) => Math.max(...shares.map(({ keys }) => keys[axis] ?? 0)) + 1);
    const cell = Math.max(1, Math.floor(SIDE / Math.max(rows, columns)));
    const canvas = h("canvas.heat", { role: "img", width: columns, height: rows });
    canvas.style.width = `${columns * cell}px`;
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    const pixels = new Int32Array(image.data.buffer);
    const colour = scale(this.limit, false);
    const held = new Map();
    for (const share of shares) {
      const [y, x] = share.keys;
      if (y === null || x === null) continue;
      held.set(y * columns + x, share);
      pixels[y * columns + x] = colour(share.sum);
    }
    context.putImageData(image, 0, 0);
    const { words } = this.model;
    const names = this.way.names.join(",");
    const greatest = shares.reduce(
      (best, share) => (Math.abs(share.sum) > Math.abs(best.sum) ? share : best),
      shares[0],
    );
    canvas.setAttribute("aria-label", words.heatLabel(names, greatest.keys.join(","), number(greatest.sum)));
    const range = words.heatRange(names, number(this.limit, 3));
    const note = h("p.soft", {}, range);
    canvas.addEventListener("pointermove", (event) => {
      const share = held.get(Math.floor(event.offsetY / cell) * columns + Math.floor(event.offsetX / cell));
      note.textContent = share
        ? `(${share.keys.join(",")}): ${number(share.sum)} = Σ ${count(share.count)}`
        : range;
    });
    canvas.addEventListener("pointerleave", () => (note.textContent = range));
    return h("figure.heat-figure", {}, canvas, h("figcaption", {}, note));
  }

  /** A bar for each value of an index, the strongest ones. */
  bars(shares) {
    const { words } = this.model;
    const [name] = this.way.names;
    const strongest = [...shares].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum)).slice(0, MOST);
    const lines = strongest.map(({ keys, sum, count: products }) => {
      const [key] = keys;
      const bar = h("span.share-bar", {});
      const width = this.limit ? (50 * Math.abs(sum)) / this.limit : 0;
      bar.style.width = `${width}%`;
      bar.style.marginLeft = sum < 0 ? `${50 - width}%` : "50%";
      bar.style.background = css(sum, this.limit);
      const label = key === null ? words.rest : words.shareLabel(this.way.key, name, key);
      const chooses = this.way.key === "sample" && key !== null;
      const head = chooses
        ? h("button.link", { type: "button", onclick: () => this.model.choose(key) }, label)
        : label;
      const share = this.terms.magnitude ? percent(sum / this.terms.magnitude) : "";
      return h(
        "tr",
        { title: `${share} · Σ ${count(products)}` },
        h("th", { scope: "row" }, head),
        h("td.share-track", {}, bar),
        h("td.number", {}, number(sum)),
      );
    });
    const note = shares.length > MOST ? h("p.soft", {}, words.shownOf(MOST, shares.length)) : "";
    return h("div", {}, h("table.shares", {}, h("tbody", {}, ...lines)), note);
  }
}

customElements.define("gt-shares", SharesView);
