// <gt-map>: one array of the step as a picture of its cells, which can be pointed at and pinned.

import { extentOf, indexOf, placeOf, sizeOf } from "gradtrail/equation/affine.js";
import { closedColour, scale } from "gradtrail/view/colour.js";
import { View, button, framed, h, sharp } from "gradtrail/view/dom.js";
import { closing, contestOf, poolOf, winnersOf } from "gradtrail/view/marks.js";
import { frameCell, spotlight } from "gradtrail/view/spotlight.js";
import { named } from "gradtrail/step/step.js";
import { Tiles } from "gradtrail/view/tiles.js";
import { number } from "gradtrail/words/number.js";

const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"];
const FOLDED = 134;
const FOLDED_LOW = 76;
const UNFOLDED = 100000;

export class MapView extends View {
  /**
   * @param model the page's
   * @param {"value"|"grad"|"change"} side
   * @param {string} name the array's
   * @param {{aim?: number, grey?: boolean, low?: boolean, short?: boolean}} looks how large a tile should
   *   be, whether it is an image, whether it is folded early, and whether the layer goes without saying
   */
  static of(model, side, name, looks = {}) {
    return super.of(model, { side, name, looks: { aim: 62, ...looks } });
  }

  connectedCallback() {
    if (this.picture) return;
    const { model, side, name } = this;
    this.array = model.step.arrays.get(name);
    this.shape = this.array.by_sample ? this.array.shape.slice(1) : this.array.shape;
    this.closing = closing(model.step, side, name);
    this.pool = side === "value" ? poolOf(model.step, name) : null;
    this.dataset.side = side;
    this.dataset.name = name;
    this.head = h("div.map-head", {}, h("span.map-name", {}, this.heading()), h("span.map-range"));
    this.picture = h("canvas.map-picture", { "aria-hidden": "true" });
    this.over = h("canvas.map-over", {
      tabindex: "0",
      role: "application",
      onpointermove: (event) => this.moved(event),
      onpointerleave: () => this.left(),
      onclick: (event) => this.clicked(event),
      onkeydown: (event) => this.pressed(event),
      onfocus: () => this.focused(),
      onblur: () => this.model.point(null),
    });
    this.fold = button("button.fold", () => this.unfold(), "", { hidden: true });
    this.frame = h("div.map-frame", {}, this.picture, this.over);
    this.append(this.head, this.frame, this.fold);
    this.draw = framed(() => this.drawNow());
    this.mark = framed(() => this.markNow());
    model.on("numbers sample look", this.draw);
    model.on("stage", () => this.staged());
    model.on("spot pins", this.mark);
    model.on("shown", () => this.shown());
    model.on("numbers", () => (this.ranged = null));
    new ResizeObserver((entries) => {
      this.room = entries.at(-1).contentRect.width; // asked for while others change, it would cost a layout
      this.draw();
    }).observe(this);
    new IntersectionObserver((entries) => this.seen(entries.at(-1).isIntersecting), {
      rootMargin: "300px",
    }).observe(this);
  }

  heading() {
    const name = this.looks.short ? this.name.split(".").at(-1) : this.name;
    return named(this.side, name);
  }

  seen(visible) {
    this.visible = visible;
    if (!visible) return;
    if (this.stale) this.draw();
    else this.mark();
  }

  unfold() {
    this.unfolded = !this.unfolded;
    this.near = 0;
    this.classList.toggle("unfolded", this.unfolded);
    this.draw();
  }

  // -- drawing ------------------------------------------------------------------------------------

  /** Fetch what is shown, then draw it; what is out of sight waits. */
  drawNow() {
    if (this.visible === false) {
      this.stale = true;
      return;
    }
    this.stale = false;
    this.place();
    const { model } = this;
    const needs = [model.rows(this.side, this.name)];
    if (this.closing) needs.push(model.rows("value", this.closing.name));
    if (this.pool) {
      const letters = [this.pool.equation.source.array, this.pool.equation.winner];
      needs.push(...letters.map((letter) => model.rows("value", this.pool.arrays[letter])));
    }
    if (!model.fetched(needs, this.draw)) {
      if (this.ends === undefined) this.frame.dataset.state = "waiting"; // what was drawn stays meanwhile
      return;
    }
    this.paint();
    this.markNow();
  }

  /** Where the tiles lie in the room there is. */
  place() {
    const width = Math.max(60, Math.round(this.room ?? this.clientWidth));
    const { zoom, winners } = this.model.options;
    this.withWinners = winners;
    const height = this.unfolded ? UNFOLDED : (this.looks.low ? FOLDED_LOW : FOLDED) * zoom;
    const sequence = this.array.by_sample;
    this.tiles = new Tiles(this.shape, { width, zoom, aim: this.looks.aim, height, sequence }, this.near);
    const { folded } = this.tiles;
    this.fold.hidden = !folded && !this.unfolded;
    const { first, shown } = this.tiles;
    const { words } = this.model;
    this.fold.textContent = this.unfolded
      ? words.fold
      : words.unfold(first, first + shown - 1, shown + folded);
    this.fold.setAttribute("aria-expanded", String(Boolean(this.unfolded)));
    this.frame.classList.toggle("wide", this.tiles.width > width);
  }

  get offset() {
    return this.array.by_sample ? this.model.sample * sizeOf(this.shape) : 0;
  }

  paint() {
    const { tiles, model } = this;
    const context = sharp(this.picture, tiles.width, tiles.height);
    sharp(this.over, tiles.width, tiles.height);
    const values = model.step.array(this.side, this.name);
    const { low, high } = this.range(values);
    this.limit = Math.max(Math.abs(low), Math.abs(high)); // NaN where there is no other number
    const colour = this.looks.grey ? scale(high, true, Math.min(0, low)) : scale(this.limit, false);
    const { closed } = model.options;
    const decides = closed && this.closing ? model.step.array("value", this.closing.name) : null;
    const { per } = tiles;
    const small = document.createElement("canvas");
    small.width = tiles.columns;
    small.height = tiles.rows;
    const inner = small.getContext("2d");
    const image = inner.createImageData(tiles.columns, tiles.rows);
    const pixels = new Int32Array(image.data.buffer);
    const shut = closedColour();
    for (let tile = 0; tile < tiles.shown; tile++) {
      const from = this.offset + (tiles.first + tile) * per;
      for (let i = 0; i < pixels.length; i++) {
        if (i >= per) pixels[i] = 0;
        else if (decides && this.closing.shut(decides[from + i])) pixels[i] = shut;
        else pixels[i] = colour(values[from + i]);
      }
      inner.putImageData(image, 0, 0);
      const [x, y] = tiles.corner(tile);
      context.drawImage(small, x, y, tiles.columns * tiles.cell, tiles.rows * tiles.high);
    }
    if (this.pool && this.withWinners && tiles.cell >= 4) this.paintWinners(context, values);
    this.describe(low, high);
    this.staged();
  }

  /** The least and the greatest of what is drawn; NaN where there is no other number. */
  range(values) {
    const { offset } = this;
    if (this.ranged?.offset !== offset) {
      const [low, high] = extentOf(values.subarray(offset, offset + sizeOf(this.shape)));
      this.ranged = low > high ? { offset, low: NaN, high: NaN } : { offset, low, high };
    }
    return this.ranged;
  }

  /** In each cell of a maximum, which point of its window won; a ring where others are as great. */
  paintWinners(context, values) {
    const { size, winner, tied } = winnersOf(this.model.step, this.pool, this.model.sample);
    const { tiles } = this;
    const [rows, columns] = size.length > 1 ? size.slice(-2) : [1, size[0]];
    const unit = [tiles.cell / columns, tiles.high / rows];
    const style = getComputedStyle(this);
    const [ink, tie] = [style.getPropertyValue("--mark"), style.getPropertyValue("--tie")];
    winner.forEach((won, place) => {
      const rect = tiles.rect(place);
      if (!rect) return;
      const within = won % (rows * columns);
      const x = rect.x + ((within % columns) + 0.5) * unit[0];
      const y = rect.y + (Math.floor(within / columns) + 0.5) * unit[1];
      context.fillStyle = tied[place] ? tie : ink;
      context.globalAlpha = tied[place] && values[this.offset + place] === 0 ? 0.45 : 1; // closed altogether
      const side = Math.max(1, Math.min(...unit) * 0.5);
      context.fillRect(x - side / 2, y - side / 2, side, side);
    });
    context.globalAlpha = 1;
  }

  describe(low, high) {
    this.text = `${number(low, 3)} … ${number(high, 3)}`;
    this.ends = this.looks.grey || Number.isNaN(this.limit) ? this.text : `±${number(this.limit, 3)}`;
  }

  /** What the stage makes of it; of what is not computed yet, no number is told. */
  staged() {
    const { model, side, name } = this;
    const shown = model.shows(side, name);
    const { words } = model;
    this.head.lastElementChild.textContent = shown ? (this.ends ?? "") : "";
    this.head.title = shown ? (this.text ?? "") : "";
    const told = shown ? (this.text ?? "") : words.pending;
    this.over.setAttribute("aria-label", words.mapLabel(this.heading(), this.shape.join(" × "), told));
    this.mark();
    this.frame.dataset.state = !shown ? "pending" : model.fills(side, name) ? "current" : "done";
  }

  // -- marks --------------------------------------------------------------------------------------

  /** The marks over the cells: the element explained, what it is made of, what it reaches, the pins. */
  markNow() {
    if (!this.tiles || this.visible === false) return;
    const { model, side, name } = this;
    const spot = model.spot;
    const { cell } = model;
    const here = (one) => one && one.side === side && one.name === name;
    const shown = model.shows(side, name);
    const window = shown ? spot?.window.of(side, name) : undefined;
    const reach = shown ? spot?.reach.of(side, name) : undefined;
    const pins = shown ? [...model.pins, ...(model.pointed ? [model.pointed] : [])].filter(here) : [];
    const [read, reached] = [this.within(window), this.within(reach)];
    if (this.revealed(read.length ? read : reached, pins)) return;
    if (!window && !reach && !pins.length && !this.marked) return;
    this.marked = Boolean(window || reach || pins.length);
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.tiles.width, this.tiles.height);
    const style = getComputedStyle(this);
    if (read.length) spotlight(context, this.tiles, read, style, "--window");
    if (reached.length) spotlight(context, this.tiles, reached, style, "--reach");
    if (read.length) this.contest(context, cell, style);
    for (const pin of pins)
      frameCell(context, this.tiles, this.placeOfPin(pin), style, pin === cell ? "--cell" : "--pin");
  }

  /** The places that a mask has within what is drawn. */
  within(mask) {
    const found = [];
    if (!mask) return found;
    const { offset } = this;
    const count = sizeOf(this.shape);
    for (let place = 0; place < count; place++) if (mask[offset + place]) found.push(place);
    return found;
  }

  /** Where a pin lies within what is drawn; −1 where it does not. */
  placeOfPin(pin) {
    const place = placeOf(this.array.shape, pin.index) - this.offset;
    return place >= 0 && place < sizeOf(this.shape) ? place : -1;
  }

  /** Show other tiles where all marks lie in folded ones; whether that was so. */
  revealed(places, pins) {
    if (!this.tiles.folded || this.under !== undefined) return false;
    const own = [...places, ...pins.map((pin) => this.placeOfPin(pin))].filter((place) => place >= 0);
    if (own.length === 0 || own.some((place) => this.tiles.rect(place))) return false;
    const group = this.closest(".parameter")?.querySelectorAll(`gt-map[data-name="${this.name}"]`) ?? [this];
    for (const map of group) map.comeTo(own[0]);
    return true;
  }

  /** Show the tiles about a place; a weight, its gradient and its change stay in step. */
  comeTo(place) {
    this.near = place;
    this.draw();
  }

  /** In the window of a maximum, who won it, and who is as great. */
  contest(context, cell, style) {
    const held = cell.side === "value" && this.side === "value" ? contestOf(this.model, cell) : null;
    if (!held || held.source !== this.name) return;
    for (const place of held.ties) frameCell(context, this.tiles, place - this.offset, style, "--tie");
    frameCell(context, this.tiles, held.winner - this.offset, style, "--cell");
  }

  /** Come into sight where an element is shown that was followed. */
  shown() {
    const { cell } = this.model;
    if (cell?.side !== this.side || cell.name !== this.name) return;
    this.scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  // -- pointing -----------------------------------------------------------------------------------

  cellAt(place) {
    const { side, name } = this;
    return { side, name, index: this.model.whole(name, indexOf(this.shape, place)) };
  }

  placeUnder(event) {
    const box = this.over.getBoundingClientRect();
    return this.tiles ? this.tiles.at(event.clientX - box.left, event.clientY - box.top) : null;
  }

  moved(event) {
    const place = this.placeUnder(event);
    if (place === this.under) return;
    this.under = place;
    this.point(place);
  }

  left() {
    this.under = undefined;
    this.model.point(null);
  }

  point(place) {
    const reachable = place !== null && this.model.shows(this.side, this.name);
    this.model.point(reachable ? this.cellAt(place) : null);
  }

  clicked(event) {
    const place = this.placeUnder(event);
    if (place === null || !this.model.shows(this.side, this.name)) return;
    this.at = place;
    this.model.pin(this.cellAt(place));
  }

  focused() {
    if (this.over.matches(":focus-visible")) this.point(this.at ?? 0);
  }

  pressed(event) {
    if (event.key === "Escape") this.model.unpin();
    else if (event.key === "Enter" || event.key === " ") {
      if (this.model.shows(this.side, this.name)) this.model.pin(this.cellAt(this.at ?? 0));
    } else if (KEYS.includes(event.key)) {
      this.at = this.tiles.moved(this.at ?? 0, event.key);
      this.point(this.at);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

customElements.define("gt-map", MapView);
