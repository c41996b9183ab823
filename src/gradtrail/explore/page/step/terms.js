// Every product in the sum behind one element: its rows, its partial sums, its strongest.

import { placeOf } from "gradtrail/equation/affine.js";
import { namesOfTerm } from "gradtrail/equation/affine.js";
import { written } from "gradtrail/step/step.js";

/** The name by which partial sums are taken per layer. */
export const LAYER = "layer";

export class Terms {
  /**
   * @param step the step
   * @param {"value"|"grad"} side
   * @param {string} name the array's
   * @param {number[]} index which element
   */
  constructor(step, side, name, index) {
    this.step = step;
    this.side = side;
    this.name = name;
    this.index = index;
    this.value = step.array(side, name)[placeOf(step.shape(name), index)];
    this.parts = step.parts(side, name, index);
    this.starts = [0];
    for (const part of this.parts) this.starts.push(this.starts.at(-1) + part.length);
  }

  get length() {
    return this.starts.at(-1);
  }

  get element() {
    return written(this.side, this.name, this.index);
  }

  /** Whether the element is no sum: given, or a winner or a probability. */
  get given() {
    return this.parts.length === 1 && this.parts[0].sum.given;
  }

  /** The names of all indices, in the order of the equations. */
  get indices() {
    return [...new Set(this.parts.flatMap((part) => namesOfTerm(part.term)))];
  }

  /** The layers that send something, in order. */
  get layers() {
    return [...new Set(this.parts.map((part) => part.sum.layer))];
  }

  /** The indices that take several values. */
  get moving() {
    return this.indices.filter((name) => this.parts.some((part) => part.points.moves(name)));
  }

  /** All products, part after part. */
  get products() {
    if (!this.held) {
      this.held = new Float64Array(this.length);
      this.parts.forEach((part, p) => this.held.set(part.products(), this.starts[p]));
    }
    return this.held;
  }

  get totals() {
    if (!this.found) {
      let sum = 0;
      let magnitude = 0;
      let nonzero = 0;
      for (const product of this.products) {
        sum += product;
        magnitude += Math.abs(product);
        if (product !== 0) nonzero++;
      }
      this.found = { sum, magnitude, nonzero };
    }
    return this.found;
  }

  get sum() {
    return this.totals.sum;
  }

  get magnitude() {
    return this.totals.magnitude;
  }

  get nonzero() {
    return this.totals.nonzero;
  }

  /** One product with its factors. */
  row(number) {
    let p = 0;
    while (this.starts[p + 1] <= number) p++;
    const part = this.parts[p];
    const point = part.points.at(number - this.starts[p]);
    const factors = part.operands.map((operand) => operand.at(point));
    const product = this.products[number];
    return { number, layer: part.sum.layer, term: part.number, indices: point, factors, scale: part.scale, product };
  }

  /** The numbers of all rows, strongest first; a NaN before all, and of equals the first. */
  get order() {
    if (!this.ordered) {
      const sizes = this.products.map((product) => (Number.isNaN(product) ? Infinity : Math.abs(product)));
      this.ordered = Uint32Array.from(sizes.keys()).sort((a, b) => sizes[b] - sizes[a] || a - b);
    }
    return this.ordered;
  }

  /** The strongest products. */
  top(count) {
    return Array.from(this.order.slice(0, count), (number) => this.row(number));
  }

  /**
   * Partial sums: by("n") over everything but the sample, by("y", "x") per position.
   * @returns {{keys: (number|string)[], sum: number, magnitude: number, count: number}[]} in ascending order
   */
  by(...names) {
    const groups = new Map();
    this.parts.forEach((part, p) => this.add(part, this.starts[p], names, groups));
    const places = this.layers;
    const rank = (key) => (typeof key === "string" ? places.indexOf(key) : (key ?? -1));
    return [...groups.values()].sort((a, b) => {
      const axis = a.keys.findIndex((key, i) => key !== b.keys[i]);
      return axis < 0 ? 0 : rank(a.keys[axis]) - rank(b.keys[axis]);
    });
  }

  add(part, start, names, groups) {
    if (part.length === 0) return;
    const columns = names.map((name) => {
      const axis = part.points.groups.findIndex((group) => group.names.includes(name));
      return axis < 0 ? null : { axis, column: part.points.groups[axis].column(name) };
    });
    const rows = new Array(part.points.sizes.length).fill(0);
    const { sizes } = part.points;
    for (let i = 0; i < part.length; i++) {
      const keys = columns.map((held, k) => {
        if (names[k] === LAYER) return part.sum.layer;
        return held === null ? null : held.column[rows[held.axis]];
      });
      const code = keys.join(" ");
      let group = groups.get(code);
      if (!group) groups.set(code, (group = { keys, sum: 0, magnitude: 0, count: 0 }));
      const product = this.products[start + i];
      group.sum += product;
      group.magnitude += Math.abs(product);
      group.count++;
      for (let axis = rows.length - 1; axis >= 0; axis--) {
        if (++rows[axis] < sizes[axis]) break;
        rows[axis] = 0;
      }
    }
  }
}
