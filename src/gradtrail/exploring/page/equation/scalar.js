// Functions of one number, and the update rules: expressions as `gradtrail.equation.scalar` has them.

/** The error function, to the last bits: a series near 0, a continued fraction further out. */
export function erf(x) {
  const size = Math.abs(x);
  if (Number.isNaN(x) || size > 6) return Number.isNaN(x) ? NaN : Math.sign(x);
  if (size < 2.5) {
    let term = x;
    let total = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      total += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * fraction));
}

function sigmoid(x) {
  const decay = Math.exp(-Math.abs(x));
  return x >= 0 ? 1 / (1 + decay) : decay / (1 + decay);
}

function softplus(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** The nearest whole number, ties to the even one. */
function round(x) {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : Math.ceil(x);
  return below % 2 === 0 ? below : below + 1;
}

const OPERATIONS = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  pow: Math.pow,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  sigmoid,
  softplus,
  erf,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  round,
  max: Math.max, // a NaN wins
  min: Math.min,
  step: (x) => (x <= 0 ? 0 : 1),
  where: (condition, x, y) => (condition > 0 ? x : y),
};

/**
 * An expression as a JavaScript function of its variables.
 * @param expression the JSON of `gradtrail.equation.scalar`
 * @param {boolean} single whether every operation is rounded to float32, as it is there
 * @returns {(variables: Object<string, number>) => number}
 */
export function compiled(expression, single = false) {
  if (expression.type === "Literal") {
    const value = single ? Math.fround(expression.value) : expression.value;
    return () => value;
  }
  if (expression.type === "Variable") return (variables) => variables[expression.name];
  const operation = OPERATIONS[expression.operation];
  const parts = expression.arguments.map((argument) => compiled(argument, single));
  const whole = called(operation, parts);
  return single ? (variables) => Math.fround(whole(variables)) : whole;
}

/** An operation on what its parts give; each number of parts by itself, for whole arrays go through this. */
function called(operation, [first, second, third]) {
  if (third) return (variables) => operation(first(variables), second(variables), third(variables));
  if (second) return (variables) => operation(first(variables), second(variables));
  return (variables) => operation(first(variables));
}

/** An expression as text, such as `max(x, 0)`. */
function written({ type, value, name, operation, arguments: parts }) {
  if (type === "Literal") return String(value);
  return type === "Variable" ? name : `${operation}(${parts.map(written).join(", ")})`;
}

const RECTIFIERS = ["max(x, 0)", "max(0, x)", "step(x)", "sub(1, step(sub(0, x)))"];

/** Whether a function is max(x, 0) or its derivative, whatever it is called. */
export const isRectifier = ({ body }) => RECTIFIERS.includes(written(body));

/** A named function of one number, `x`. */
export function functionOf(body, single = false) {
  const whole = compiled(body, single);
  const variables = { x: 0 };
  return (x) => {
    variables.x = x;
    return whole(variables);
  };
}
