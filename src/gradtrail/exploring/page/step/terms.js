// Every product in the sum behind one element: its rows, its partial sums, its strongest.

import { indexOf, namesOfTerm, sizeOf, stridesOf } from "gradtrail/equation/affine.js";
import { written } from "gradtrail/step/step.js";

/** The name by which partial sums are taken per layer. */
export const LAYER = "layer";

/** How many of the strongest are looked for at once, as they are asked for in several places. */
const FEW = 12;

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
    this.parts = step.parts(side, name, index);
    this.starts = [0];
    for (const part of this.parts) this.starts.push(this.starts.at(-1) + part.length);
  }

  get length() {
    return this.starts.at(-1);
  }

  /** The element as it is stored. */
  get value() {
    return this.step.at(this.side, this.name, this.index);
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
    return {
      number,
      layer: part.sum.layer,
      indices: point,
      factors,
      scale: part.scale,
      product,
    };
  }

  /** How large each product is; a NaN before all. */
  sizes() {
    const { products } = this;
    const found = new Float64Array(products.length);
    // A loop: a sum may have a million products, and `map` takes three times as long.
    for (let i = 0; i < found.length; i++) {
      const size = Math.abs(products[i]);
      found[i] = Number.isNaN(size) ? Infinity : size;
    }
    return found;
  }

  /** The numbers of all rows, strongest first, and of equals the first. */
  get order() {
    if (!this.ordered) {
      const sizes = this.sizes();
      this.ordered = Uint32Array.from(sizes.keys()).sort((a, b) => sizes[b] - sizes[a] || a - b);
    }
    return this.ordered;
  }

  /** The strongest products; a few are found without putting all in order. */
  top(count) {
    if (!this.ordered && !(this.best?.length >= Math.min(count, this.length)))
      this.best = strongest(this.sizes(), Math.max(count, FEW));
    return Array.from((this.ordered ?? this.best).slice(0, count), (number) => this.row(number));
  }

  /**
   * Partial sums: by("n") over everything but the sample, by("y", "x") per position.
   * @returns {{keys: (number|string|null)[], sum: number, magnitude: number, count: number}[]} ascending
   */
  by(...names) {
    const groups = new Map();
    this.parts.forEach((part, p) => {
      if (part.length) this.addShares(part, this.starts[p], names, groups);
    });
    const rank = (key) => (typeof key === "string" ? this.layers.indexOf(key) : (key ?? -1));
    return [...groups.values()].sort((a, b) => {
      const axis = a.keys.findIndex((key, i) => key !== b.keys[i]);
      return axis < 0 ? 0 : rank(a.keys[axis]) - rank(b.keys[axis]);
    });
  }

  /** One part's partial sums: first over the rows of whole groups, then by the values asked for. */
  addShares(part, start, names, groups) {
    const shares = alongAxes(part, this.products, start, names);
    const columns = names.map((name) => {
      const axis = shares.kept.findIndex((held) => part.points.groups[held].names.includes(name));
      return axis < 0 ? null : { axis, column: part.points.groups[shares.kept[axis]].column(name) };
    });
    for (let place = 0; place < shares.sums.length; place++) {
      const rows = indexOf(shares.sizes, place);
      const keys = columns.map((held, k) => {
        if (names[k] === LAYER) return part.sum.layer;
        return held === null ? null : held.column[rows[held.axis]];
      });
      const code = keys.join(" ");
      if (!groups.has(code)) groups.set(code, { keys, sum: 0, magnitude: 0, count: 0 });
      const group = groups.get(code);
      group.sum += shares.sums[place];
      group.magnitude += shares.magnitudes[place];
      group.count += part.length / shares.sums.length;
    }
  }
}

/** The places of the greatest numbers, greatest first, and of equals the first. */
function strongest(sizes, count) {
  const found = [];
  for (let place = 0; place < sizes.length; place++) {
    if (found.length === count && !(sizes[place] > sizes[found.at(-1)])) continue;
    let at = found.length;
    while (at > 0 && sizes[place] > sizes[found[at - 1]]) at--;
    found.splice(at, 0, place);
    if (found.length > count) found.pop();
  }
  return found;
}

/** Sums over all groups of indices that none of the names belongs to. */
function alongAxes(part, products, start, names) {
  const { groups, sizes } = part.points;
  const kept = groups.flatMap((group, axis) =>
    group.names.some((name) => names.includes(name)) ? [axis] : [],
  );
  const left = kept.map((axis) => sizes[axis]);
  const steps = stridesOf(left);
  const along = sizes.map((_, axis) => (kept.includes(axis) ? steps[kept.indexOf(axis)] : 0));
  const sums = new Float64Array(sizeOf(left));
  const magnitudes = new Float64Array(sums.length);
  const rows = new Int32Array(sizes.length);
  let place = 0;
  for (let i = start; i < start + part.length; i++) {
    sums[place] += products[i];
    magnitudes[place] += Math.abs(products[i]);
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      place += along[axis];
      if (++rows[axis] < sizes[axis]) break;
      place -= along[axis] * sizes[axis];
      rows[axis] = 0;
    }
  }
  return { kept, sizes: left, sums, magnitudes };
}
