// Coefficients of 0 in a formula: what they multiply gets nothing, whatever its value is.

/**
 * Whether a function, or the one whose slope it is, multiplies what it reads by 0.
 * @param node the layer in whose equation the function stands
 * @param factor of that equation, or of an adjoint of it
 */
export function multipliesByZero({ equation }, factor) {
  const name = factor.function.name.replace(/′$/, "");
  const terms = equation.type === "Contraction" ? equation.terms : [];
  const applied = terms.flatMap(({ factors }) => factors.filter((one) => one.type === "Applied"));
  return applied.some((one) => one.function.name === name && lost(one.function.body));
}

/** Whether a coefficient of 0 stands before every variable. */
function lost(expression) {
  if (expression.type !== "Call") return expression.type !== "Variable";
  return isZero(expression) || expression.arguments.every(lost);
}

/** Whether an expression is 0 by a factor that is: 0·x, and the product of that with more. */
function isZero({ type, value, operation, arguments: parts }) {
  if (type !== "Call") return type === "Literal" && value === 0;
  if (operation === "mul") return parts.some(isZero);
  return operation === "div" && isZero(parts[0]);
}
