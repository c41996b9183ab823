// What the reader looks at: the sample, the stage, the element pointed at, those pinned, and the trail.
//
// All parts of the page hold this one model and redraw on its events: `numbers` (others are shown),
// `sample`, `stage`, `spot` (another element is pointed at), `pins`, `shown` (one was followed), `look`
// (theme, language, size).

import { reachOf, windowOf, windowOfChange } from "gradtrail/step/reach.js";
import { written } from "gradtrail/step/step.js";
import { Terms } from "gradtrail/step/terms.js";
import { ofElement, ofSample } from "gradtrail/step/needs.js";
import { filledAt, sequenceOf } from "gradtrail/view/sequence.js";
import { wordsOf } from "gradtrail/words/words.js";

const sameCell = (a, b) =>
  a && b && a.side === b.side && a.name === b.name && String(a.index) === String(b.index);

export class Model extends EventTarget {
  constructor(source) {
    super();
    this.source = source;
    this.step = source.step;
    this.description = source.description;
    this.sequence = sequenceOf(this.description);
    this.filled = filledAt(this.sequence);
    this.at = this.sequence.length - 1;
    this.sample = 0;
    this.pins = [];
    this.trail = [];
    this.pointed = null;
    this.options = { winners: true, closed: true, zoom: 1, language: "en" };
    this.words = wordsOf("en");
    this.stepping = false; // whether the stage changes by a step, not by an element that is shown
    this.editing = null; // the form that changes an element
    source.addEventListener("change", () => {
      this.spotOf = null;
      this.tell("numbers");
    });
  }

  tell(kind) {
    this.dispatchEvent(new Event(kind));
  }

  /** Call `work` on each of some events. */
  on(kinds, work) {
    for (const kind of kinds.split(" ")) this.addEventListener(kind, work);
  }

  // -- the stage ----------------------------------------------------------------------------------

  get stage() {
    return this.sequence[this.at];
  }

  /** Whether an array is filled at the present stage. */
  shows(side, name) {
    return (this.filled.get(`${side} ${name}`) ?? 0) <= this.at;
  }

  /** Whether it is what the present stage fills. */
  fills(side, name) {
    return this.stage.fills.some((one) => one.side === side && one.name === name);
  }

  go(place) {
    const to = Math.max(0, Math.min(this.sequence.length - 1, place));
    if (to === this.at) return;
    this.at = to;
    this.tell("stage");
  }

  // -- the sample ---------------------------------------------------------------------------------

  get samples() {
    return this.description.numbers.length;
  }

  /** Look at another sample; what is pinned in this one is pinned at the same place in that one. */
  choose(sample) {
    if (sample === this.sample) return;
    const moved = ({ side, name, index }) =>
      this.step.arrays.get(name).by_sample && index[0] === this.sample
        ? { side, name, index: [sample, ...index.slice(1)] }
        : null;
    const pins = this.pins.map((pin) => moved(pin) ?? pin);
    this.pins = pins.filter((pin, place) => !pins.slice(0, place).some((other) => sameCell(other, pin)));
    this.pointed = null;
    this.sample = sample;
    this.tell("sample");
    if (this.pins.length) this.told();
  }

  /** The rows of an array that are drawn. */
  rows(side, name) {
    return ofSample(this.step, side, name, this.sample);
  }

  /** A sample's own values in an array. */
  part(name, sample = this.sample) {
    const array = this.step.array("value", name);
    const each = array.length / this.samples;
    return array.subarray(sample * each, (sample + 1) * each);
  }

  /** The index in the whole array of an element of what is drawn. */
  whole(name, index) {
    return this.step.arrays.get(name).by_sample ? [this.sample, ...index] : index;
  }

  // -- elements -----------------------------------------------------------------------------------

  /** The element that is explained: the one pointed at, or else the one pinned last. */
  get cell() {
    return this.pointed ?? this.pins.at(-1) ?? null;
  }

  point(cell) {
    if (cell === this.pointed || sameCell(cell, this.pointed)) return;
    this.pointed = cell;
    this.tell("spot");
  }

  isPinned(cell) {
    return this.pins.some((pin) => sameCell(pin, cell));
  }

  /** Pin an element, or let it go; a third one takes the place of the first. */
  pin(cell) {
    this.keep(
      this.isPinned(cell) ? this.pins.filter((pin) => !sameCell(pin, cell)) : [...this.pins, cell].slice(-2),
    );
  }

  unpin() {
    this.keep([]);
  }

  keep(pins) {
    this.pins = pins;
    this.trail = [];
    this.pointed = null;
    this.told();
  }

  /** Go on to an element that another was made of, remembering the way. */
  follow(cell) {
    const from = this.cell;
    if (from && !sameCell(from, cell)) this.trail = [...this.trail, from];
    this.show(cell);
  }

  /** Go back to an element of the trail. */
  back(place = this.trail.length - 1) {
    const to = this.trail[place];
    this.trail = this.trail.slice(0, place);
    this.show(to);
  }

  show(cell) {
    this.pins = [...this.pins.slice(0, -1).filter((pin) => !sameCell(pin, cell)), cell];
    this.pointed = null;
    const { side, name, index } = cell;
    if (!this.shows(side, name)) this.go(this.filled.get(`${side} ${name}`)); // to where it is computed
    const sample = this.step.arrays.get(name).by_sample ? index[0] : this.sample;
    if (sample !== this.sample) {
      this.sample = sample;
      this.tell("sample");
    }
    this.told();
    this.tell("shown");
  }

  told() {
    this.tell("pins");
    this.tell("spot");
    const elements = this.pins.map(({ side, name, index }) => written(side, name, index));
    if (window.parent !== window) window.parent.postMessage({ gradtrail: "pinned", elements }, "*");
  }

  /** What the explained element is made of and has a part in; found once for each element. */
  get spot() {
    const { cell } = this;
    if (!cell) return null;
    if (!this.spotOf || this.spotOf.cell !== cell) {
      const { side, name, index } = cell;
      const terms = side === "change" ? null : new Terms(this.step, side, name, index);
      const window = terms ? windowOf(this.step, terms.parts) : windowOfChange(this.step, name, index);
      this.spotOf = { cell, terms, window, reach: reachOf(this.step, side, name, index) };
    }
    return this.spotOf;
  }

  /** The rows that an element's terms are computed from. */
  needs({ side, name, index }) {
    if (side === "change") return ["change", "value", "grad"].map((one) => this.rows(one, name));
    return ofElement(this.step, side, name, index);
  }

  ready(needs) {
    return needs.every((need) => this.source.has(need));
  }

  /** Whether rows are here; where they are not, they are fetched, and `again` is called when they are. */
  fetched(needs, again) {
    if (this.ready(needs)) return true;
    this.source
      .load(needs)
      .catch((error) => this.fail(error))
      .then(() => this.ready(needs) && again());
    return false;
  }

  // -- how it looks -------------------------------------------------------------------------------

  set(options) {
    this.options = { ...this.options, ...options };
    this.words = wordsOf(this.options.language);
    this.tell("look");
  }
}
