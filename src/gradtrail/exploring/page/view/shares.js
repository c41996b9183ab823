// <gt-shares>: partial sums of a sum: over positions as a picture, over samples or channels as bars.

import { css, scale } from "gradtrail/view/colour.js";
import { View, button, figuresRow, fill, h, write } from "gradtrail/view/dom.js";
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

export class SharesView extends View {
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

  /**
   * @param terms the sum
   * @param way how it is split up, as `ways` has it
   */
  show(terms, way) {
    Object.assign(this, { terms, way });
    const shares = terms.by(...way.names);
    this.limit = Math.max(0, ...shares.map(({ sum }) => Math.abs(sum)).filter(Number.isFinite));
    if (way.names.length === 2) this.picture(shares);
    else this.replaceChildren(this.bars(shares));
  }

  /** Room for a picture, which is drawn again and again. */
  makeRoom() {
    this.canvas = h("canvas.heat", {
      role: "img",
      onpointermove: (event) => this.moved(event),
      onpointerleave: () => write(this.note, this.range),
    });
    this.note = h("p.soft");
    this.figure = h("figure.heat-figure", {}, this.canvas, h("figcaption", {}, this.note));
  }

  /** A picture over two indices, in the diverging colours. */
  picture(shares) {
    if (!this.figure) this.makeRoom();
    fill(this, this.figure);
    const { canvas } = this;
    const [rows, columns] = [0, 1].map((axis) => Math.max(...shares.map(({ keys }) => keys[axis] ?? 0)) + 1);
    const cell = Math.max(1, Math.floor(SIDE / Math.max(rows, columns)));
    if (canvas.width !== columns || canvas.height !== rows) {
      Object.assign(canvas, { width: columns, height: rows });
      canvas.style.width = `${columns * cell}px`;
    }
    const image = new ImageData(columns, rows);
    const pixels = new Int32Array(image.data.buffer);
    const colour = scale(this.limit, false);
    this.held = { shares: new Map(), cell, columns };
    for (const share of shares) {
      const [y, x] = share.keys;
      if (y === null || x === null) continue;
      this.held.shares.set(y * columns + x, share);
      pixels[y * columns + x] = colour(share.sum);
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    const { words } = this.model;
    const names = this.way.names.join(",");
    const greatest = shares.reduce(
      (best, share) => (Math.abs(share.sum) > Math.abs(best.sum) ? share : best),
      shares[0],
    );
    canvas.setAttribute("aria-label", words.heatLabel(names, greatest.keys.join(","), number(greatest.sum)));
    this.range = words.heatRange(names, number(this.limit, 3));
    write(this.note, this.range);
  }

  /** The partial sum under the pointer, as a number. */
  moved(event) {
    const { shares, cell, columns } = this.held;
    const [x, y] = [event.offsetX, event.offsetY].map((along) => Math.floor(along / cell));
    const share = shares.get(y * columns + x);
    const told = share && `(${share.keys.join(",")}): ${number(share.sum)} = Σ ${count(share.count)}`;
    write(this.note, told ?? this.range);
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
      const head = chooses ? button("button.link", () => this.model.choose(key), label) : label;
      const share = this.terms.magnitude ? percent(sum / this.terms.magnitude) : "";
      const row = figuresRow(head, h("td.share-track", {}, bar), number(sum));
      row.title = `${share} · Σ ${count(products)}`;
      return row;
    });
    const note = shares.length > MOST ? h("p.soft", {}, words.shownOf(MOST, shares.length)) : "";
    return h("div", {}, h("table.shares", {}, h("tbody", {}, ...lines)), note);
  }
}

customElements.define("gt-shares", SharesView);
