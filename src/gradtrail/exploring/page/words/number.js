// Numbers as they stand in tables and sentences, the same way as in Python.

/** `text` of a number that lies just between two: the even one, as Python takes it. */
function even(text, long) {
  const kept = text.replace(/e.*/, "").length;
  const digits = long.replace(/e.*/, "");
  const tail = digits.slice(kept).replace(".", "");
  if (!/^50*$/.test(tail)) return text;
  const shorter = digits.slice(0, kept).replace(/\.$/, "");
  return "02468".includes(shorter.at(-1)) ? shorter + (text.match(/e.*/) ?? [""])[0] : text;
}

const LOOKED = 6;

/** Whether the digits behind those that are kept could be exactly a half; few are, and all 60 take long. */
const near = (longer) => /^50*$/.test(longer.replace(/e.*/, "").slice(-LOOKED));

/** What `write` gives with so many digits, rounded as Python does. */
function rounded(write, digits) {
  const text = write(digits);
  return near(write(digits + LOOKED)) ? even(text, write(60)) : text;
}

const exponential = (value, digits) => rounded((count) => value.toExponential(count), digits);
const fixed = (value, digits) => rounded((count) => value.toFixed(count), digits);

/** `digits` significant digits, as Python's :.4g writes them, with a true minus. */
export function number(value, digits = 4) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return Object.is(value, -0) ? "−0" : "0";
  const [mantissa, power] = exponential(value, digits - 1).split("e");
  const exponent = Number(power);
  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  let text;
  if (exponent < -4 || exponent >= digits) {
    const sign = exponent < 0 ? "-" : "+";
    text = `${trimmed(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  } else {
    text = trimmed(fixed(value, Math.max(0, digits - 1 - exponent)));
  }
  return text.replaceAll("-", "−");
}

/** A share: two digits where it is small. */
export function percent(share) {
  if (!Number.isFinite(share)) return number(share);
  const text = fixed(100 * share, Math.abs(share) < 0.0995 ? 1 : 0);
  return `${text} %`.replace("-", "−");
}

/** Whole numbers with commas: 12,780. */
export function count(value) {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
