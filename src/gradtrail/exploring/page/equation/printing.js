// A contraction for one element, as text and as MathML: dW[2,0,1,1] = Σ_{n<16,y<28,x<28} dZ[n,2,y,x]·…
//
// What a formula consists of is decided here once, as a small tree; `text` and `mathml` say how each
// piece looks. The wording is that of `gradtrail.equation.printing` with its numbers put in.

import {
  accessOf,
  affine,
  namesOfAccess,
  namesOfTerm,
  plain,
  positionAt,
  rangesOf,
  real,
  shapeOf,
} from "gradtrail/equation/affine.js";

const word = (text) => ({ kind: "word", text: String(text) });
const sign = (text, spaced = false) => ({ kind: "sign", text, spaced });
const row = (pieces) => ({ kind: "row", pieces });
const EQUALS = sign("=", true);
const TIMES = sign("·");

/**
 * The formula of a contraction with numbers put in.
 * @param equation a contraction, solved for its target's own indices
 * @param {number[]} index the element
 */
export function formula(equation, index) {
  const at = {};
  for (const term of equation.terms) {
    term.target.positions.forEach((position, axis) => {
      const name = plain(position);
      if (name !== null) at[name] = index[axis];
    });
  }
  const there = equation.terms.filter((term) => isThere(term, equation, at));
  const lines = new Map();
  for (const term of there.length ? there : equation.terms) {
    const key = JSON.stringify(term.target);
    if (!lines.has(key)) lines.set(key, []);
    lines.get(key).push(term);
  }
  const rows = [...lines.values()].map((terms, place) => line(terms, place, equation, at));
  return rows.length === 1 ? rows[0] : { kind: "lines", rows };
}

/** Whether a term may have products: no position that is known lies outside of its array. */
function isThere(term, equation, at) {
  return [term.target, ...term.factors.map(accessOf)].every(({ array, positions }) => {
    const shape = shapeOf(equation, array);
    return positions.every((held, axis) => {
      if (!affine(held).names.every((name) => name in at)) return true;
      const place = positionAt(held, at);
      return place !== null && place >= 0 && place < shape[axis];
    });
  });
}

/** Terms with the same target on one line. */
function line(terms, place, equation, at) {
  const ranges = rangesOf(equation);
  let adds = !terms.every((term) => oneToOne(term, ranges));
  adds ||= place > 0 && !reindexes(equation);
  const pieces = [access(terms[0].target, at), sign(adds ? "+=" : "=", true)];
  terms.forEach((term, position) => {
    const negative = real(term.scale) < 0;
    if (position > 0) pieces.push(sign(negative ? "−" : "+", true));
    else if (negative) pieces.push(sign("−"));
    pieces.push(product(term, ranges, at));
  });
  return row(pieces);
}

function product(term, ranges, at) {
  const pieces = [];
  const scale = fraction(term.scale);
  if (scale !== "1") pieces.push(scale.includes("/") ? enclosed(word(scale)) : word(scale), TIMES);
  const target = namesOfAccess(term.target);
  const over = namesOfTerm(term).filter((name) => !target.includes(name) && !(name in at));
  if (over.length) {
    pieces.push({ kind: "big", over: over.map((name) => row([word(name), sign("<"), word(ranges[name])])) });
  }
  term.factors.forEach((factor, place) => {
    if (place > 0) pieces.push(TIMES);
    pieces.push(factorOf(factor, at));
  });
  return row(pieces);
}

/** The size of a scale as it is written: 1/16, 2. */
function fraction(number) {
  const text = typeof number.value === "number" ? String(number.value) : number.value.value;
  return text.replace(/^-/, "").replace(/\/1$/, "");
}

function factorOf(factor, at) {
  if (factor.type === "Access") return access(factor, at);
  if (factor.type === "Sparse") return access(factor.access, at);
  const inside = access(accessOf(factor), at);
  if (factor.type === "Applied") return { kind: "called", name: factor.function.name, inside };
  return enclosed(row([inside, EQUALS, position(factor.value, at)]), "[]");
}

const enclosed = (inside, brackets = "()") => ({ kind: "enclosed", inside, brackets });

function access(held, at) {
  return { kind: "indexed", base: held.array, positions: held.positions.map((p) => position(p, at)) };
}

/** A position with what is known put in: what is added first, then what is subtracted. */
function position(held, at) {
  const { names, factors, divisor } = affine(held);
  let { offset } = affine(held);
  const pieces = [];
  names.forEach((name, i) => {
    if (name in at) offset += factors[i] * at[name];
    else pieces.push([factors[i] < 0, monomial(name, Math.abs(factors[i]))]);
  });
  if (pieces.length === 0 && offset % divisor === 0) return word(signed(offset / divisor));
  if (offset !== 0 || pieces.length === 0) pieces.push([offset < 0, word(Math.abs(offset))]);
  const shown = [];
  for (const wanted of [false, true]) {
    for (const [negative, piece] of pieces) {
      if (negative !== wanted) continue;
      if (negative || shown.length) shown.push(sign(negative ? "−" : "+"));
      shown.push(piece);
    }
  }
  const whole = shown.length === 1 ? shown[0] : row(shown);
  return divisor === 1 ? whole : { kind: "fraction", above: whole, below: word(divisor) };
}

const signed = (value) => String(value).replace("-", "−");

function monomial(name, factor) {
  return factor === 1 ? word(name) : row([word(name), TIMES, word(factor)]);
}

/** Whether an equation only hands elements on, each to a place of its own. */
function reindexes(equation) {
  const single = equation.terms.every(
    (term) =>
      term.factors.length === 1 &&
      term.factors[0].type === "Access" &&
      namesOfTerm(term).length === namesOfAccess(term.target).length,
  );
  return (
    single &&
    new Set(equation.terms.map((term) => JSON.stringify(term.target))).size === equation.terms.length
  );
}

/** Whether no two index points of a target lead to the same element. */
function oneToOne(term, ranges) {
  const names = term.target.positions.flatMap((held) => affine(held).names);
  if (new Set(names).size < names.length) return false;
  return term.target.positions.every((held) => {
    const { names: own, factors } = affine(held);
    let reach = 0;
    const order = own.map((name, i) => [Math.abs(factors[i]), ranges[name]]).sort((a, b) => a[0] - b[0]);
    return order.every(([factor, size]) => {
      const fits = size <= 1 || factor > reach;
      reach += factor * (size - 1);
      return fits;
    });
  });
}

/** A formula on one line. */
export function text(tree) {
  switch (tree.kind) {
    case "word":
      return tree.text;
    case "sign":
      return tree.spaced ? ` ${tree.text} ` : tree.text;
    case "row":
      return tree.pieces.map(text).join("");
    case "indexed":
      return tree.positions.length ? `${tree.base}[${tree.positions.map(text).join(",")}]` : tree.base;
    case "big":
      return `Σ_{${tree.over.map(text).join(",")}} `;
    case "fraction":
      return `${atom(tree.above)}/${atom(tree.below)}`;
    case "called":
      return `${tree.name}(${text(tree.inside)})`;
    case "enclosed":
      return `${tree.brackets[0]}${text(tree.inside)}${tree.brackets[1]}`;
    default:
      return tree.rows.map(text).join("\n");
  }
}

function atom(tree) {
  const written = text(tree);
  return tree.kind === "word" || tree.kind === "enclosed" || /^\w+$/u.test(written)
    ? written
    : `(${written})`;
}

const MATHML = "http://www.w3.org/1998/Math/MathML";

function tag(name, ...children) {
  const made = document.createElementNS(MATHML, name);
  made.append(...children);
  return made;
}

/** A formula as a `<math>` element. */
export function mathml(tree) {
  const math = tag("math", pieces(tree));
  math.setAttribute("display", "block");
  return math;
}

function pieces(tree) {
  switch (tree.kind) {
    case "word":
      return /^[−\d.]/.test(tree.text) ? tag("mn", tree.text) : letter(tree.text);
    case "sign":
      return tag("mo", tree.text);
    case "row":
      return tag("mrow", ...tree.pieces.map(pieces));
    case "indexed":
      return tree.positions.length ? tag("msub", letter(tree.base), list(tree.positions)) : letter(tree.base);
    case "big":
      return tag("munder", tag("mo", "∑"), list(tree.over));
    case "fraction":
      return tag("mfrac", pieces(tree.above), pieces(tree.below));
    case "called":
      return tag("mrow", tag("mi", tree.name), tag("mo", "("), pieces(tree.inside), tag("mo", ")"));
    case "enclosed":
      return tag("mrow", tag("mo", tree.brackets[0]), pieces(tree.inside), tag("mo", tree.brackets[1]));
    default:
      return tag("mtable", ...tree.rows.map((one) => tag("mtr", tag("mtd", pieces(one)))));
  }
}

function letter(name) {
  const [stem, below] = name.split("_");
  return below ? tag("msub", tag("mi", stem), tag("mi", below)) : tag("mi", stem);
}

function list(trees) {
  return tag(
    "mrow",
    ...trees.flatMap((tree, place) => (place ? [tag("mo", ","), pieces(tree)] : [pieces(tree)])),
  );
}
