// The index points whose products make up one element, or read one.
//
// Fixing an element fixes some indices and ties others together: in dX[n,c,y·s+i,x·s+j] the pair
// (y, i) takes those values for which y·s+i is the row asked for. What is left is a product of small
// tables, one per group of indices that are tied together.

import {
  accessOf,
  affine,
  bounds,
  extremes,
  indexOf,
  namesOfTerm,
  numberAt,
  rangesOf,
  shapeOf,
  spansOf,
  sparseOf,
} from "gradtrail/equation/affine.js";

/** Indices that are tied together, with the values they take, row after row. */
class Group {
  constructor(names, table) {
    this.names = names;
    this.table = table;
    this.length = table.length / names.length;
  }

  /** What the indices of each row add to a position. */
  along(position) {
    const { names, factors } = affine(position);
    const found = new Float64Array(this.length);
    this.names.forEach((name, column) => {
      const factor = factors[names.indexOf(name)];
      if (!factor) return;
      for (let row = 0; row < this.length; row++) {
        found[row] += factor * this.table[row * this.names.length + column];
      }
    });
    return found;
  }

  /** The values of one index, row after row. */
  column(name) {
    const column = this.names.indexOf(name);
    return Int32Array.from({ length: this.length }, (_, row) => this.table[row * this.names.length + column]);
  }
}

/** A product of groups that share no index, walked with the last group fastest. */
export class Points {
  constructor(groups) {
    this.groups = groups;
    this.sizes = groups.map((group) => group.length);
    this.length = this.sizes.reduce((product, size) => product * size, 1);
  }

  /** The values of all indices at one point, counted from 0. */
  at(number) {
    const rows = indexOf(this.sizes, number);
    const point = {};
    this.groups.forEach((group, axis) => {
      group.names.forEach((name, column) => {
        point[name] = group.table[rows[axis] * group.names.length + column];
      });
    });
    return point;
  }

  /** Whether an index takes several values. */
  moves(name) {
    const group = this.groups.find((one) => one.names.includes(name));
    return group !== undefined && new Set(group.column(name)).size > 1;
  }

  /** A position, point after point. */
  along(position) {
    const found = new Float64Array(this.length);
    found[0] = affine(position).offset;
    let filled = 1;
    // Group by group, from behind: each number becomes as many as the group has rows.
    this.sizes.forEach((size, axis) => {
      const part = this.groups[axis].along(position);
      for (let done = filled - 1; done >= 0; done--) {
        const start = found[done];
        for (let row = size - 1; row >= 0; row--) found[done * size + row] = start + part[row];
      }
      filled *= size;
    });
    return found;
  }
}

/**
 * The points that lead to an element, and whose product exists.
 * @param term one of the equation's terms, without quotients
 * @param equation for ranges and shapes
 * @param access the target's access, or that of a factor
 * @param {number[]} element an index into the array that `access` reads
 */
export function pointsOf(term, equation, access, element) {
  const ranges = rangesOf(equation);
  const conditions = access.positions.map((position, axis) => within(position, element[axis], element[axis]));
  for (const other of [term.target, ...term.factors.map(accessOf)]) {
    if (other === access) continue;
    const shape = shapeOf(equation, other.array);
    other.positions.forEach((position, axis) => {
      const [low, high] = bounds(position, ranges);
      if (low < 0 || high >= shape[axis]) conditions.push(within(position, 0, shape[axis] - 1));
    });
  }
  const names = namesOfTerm(term);
  const values = Object.fromEntries(
    names.map((name) => [name, Int32Array.from({ length: ranges[name] }, (_, value) => value)]),
  );
  const tying = narrowed(conditions, values);
  const constants = sparseOf(term.factors);
  for (const factor of constants) leavePartners(factor, values);
  const ties = constants.map((factor) => ({ factor, names: spansOf(factor).names }));
  const groups = tied(names, [...tying, ...ties]).map((together) => {
    const inside = (one) => one.names.every((name) => together.includes(name));
    return new Group(together, solutions(together, tying.filter(inside), ties.filter(inside), values));
  });
  return new Points(groups);
}

/** Of each index of a constant, leave the values that have a number with one of the other. */
function leavePartners(factor, values) {
  const { names, other, spans } = spansOf(factor);
  for (const name of names) {
    values[name] = values[name].filter((value) => {
      const [first, last] = spans[name][value] ?? [0, -1];
      return values[other[name]].some((there) => there >= first && there <= last);
    });
  }
}

/** A position that must lie between two places. */
function within(position, low, high) {
  const { names, factors, offset } = affine(position);
  return { names, factors, low: low - offset, high: high - offset };
}

/** Take away values that a condition on one index excludes; the conditions that tie several stay. */
function narrowed(conditions, values) {
  let waiting = conditions;
  for (let changed = true; changed;) {
    changed = false;
    const left = [];
    for (const condition of waiting) {
      const free = condition.names.filter((name) => values[name].length !== 1);
      if (free.length > 1) {
        left.push(condition);
        continue;
      }
      changed = true;
      narrow(condition, free[0] ?? condition.names[0], values);
    }
    waiting = left;
  }
  return waiting.filter((condition) => !always(condition, values));
}

function narrow(condition, name, values) {
  let fixed = 0;
  let factor = 0;
  condition.names.forEach((other, place) => {
    if (other === name) factor = condition.factors[place];
    else fixed += condition.factors[place] * (values[other][0] ?? 0);
  });
  const holds = (value) => {
    const total = fixed + factor * value;
    return total >= condition.low && total <= condition.high;
  };
  if (name === undefined) {
    if (!holds(0)) for (const other of Object.keys(values)) values[other] = new Int32Array(0);
    return;
  }
  values[name] = values[name].filter(holds);
}

/** The least and greatest that some indices add to a condition. */
function reach(condition, values, names) {
  return extremes(condition, (name) =>
    names.includes(name) ? [values[name][0], values[name].at(-1)] : [0, 0],
  );
}

function always(condition, values) {
  if (condition.names.some((name) => values[name].length === 0)) return true;
  const [low, high] = reach(condition, values, condition.names);
  return condition.low <= low && high <= condition.high;
}

/** The indices in groups: those that stand in one condition are in one group. */
function tied(names, conditions) {
  let groups = names.map((name) => new Set([name]));
  for (const condition of conditions) {
    const touches = (group) => condition.names.some((name) => group.has(name));
    const joined = new Set(groups.filter(touches).flatMap((group) => [...group]));
    groups = [...groups.filter((group) => !touches(group)), joined];
  }
  const ordered = groups.map((group) => names.filter((name) => group.has(name)));
  return ordered.sort((a, b) => names.indexOf(a[0]) - names.indexOf(b[0]));
}

/** All combinations of values that meet the conditions, in ascending order. */
function solutions(names, conditions, ties, values) {
  if (names.length === 1) return values[names[0]];
  if (names.some((name) => values[name].length === 0)) return new Int32Array(0);
  const weight = (name) =>
    Math.max(0, ...conditions.map((c) => Math.abs(c.factors[c.names.indexOf(name)] ?? 0)));
  const order = [...names].sort((a, b) => weight(b) - weight(a));
  let rows = [[]];
  order.forEach((name, place) => {
    const rest = order.slice(place + 1);
    const checks = conditions.map((condition) => {
      const [low, high] = reach(condition, values, rest);
      const factors = order
        .slice(0, place + 1)
        .map((n) => condition.factors[condition.names.indexOf(n)] ?? 0);
      return { factors, low: condition.low - high, high: condition.high - low };
    });
    const longer = [];
    for (const row of rows) {
      for (const value of values[name]) {
        const candidate = [...row, value];
        const fits = checks.every(({ factors, low, high }) => {
          let total = 0;
          for (let i = 0; i < factors.length; i++) total += factors[i] * candidate[i];
          return total >= low && total <= high;
        });
        if (fits && ties.every((tie) => hasNumber(tie, order, candidate))) longer.push(candidate);
      }
    }
    rows = longer;
  });
  const columns = names.map((name) => order.indexOf(name));
  const sorted = rows
    .map((row) => columns.map((column) => row[column]))
    .sort((a, b) => {
      const place = a.findIndex((value, i) => value !== b[i]);
      return place < 0 ? 0 : a[place] - b[place];
    });
  return Int32Array.from(sorted.flat());
}

/** Whether a constant is not 0 for the values that are chosen so far. */
function hasNumber({ factor, names }, order, candidate) {
  const [row, column] = names.map((name) => candidate[order.indexOf(name)]);
  return row === undefined || column === undefined || numberAt(factor, row, column) !== 0;
}
