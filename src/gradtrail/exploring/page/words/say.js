// Facts as sentences, as `gradtrail.tracing.wording` says them: it has how the templates are written.

import { count, number, percent } from "gradtrail/words/number.js";

/** A number, where JSON has text for what it cannot write. */
export function plainNumber(value) {
  return typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value;
}

const NUMBERS = {
  number: (value) => number(plainNumber(value)),
  integer: count,
  percent: (value) => percent(plainNumber(value)),
};

const messages = new WeakMap();

/**
 * A fact as a sentence, or as a part of one.
 * @param {{kind: string}} fact its fields beside its kind, other facts among them
 * @param {Object<string, string>} words the templates of a language
 */
export function say(fact, words) {
  return textOf(messageOf(fact.kind, words), fact, words);
}

/** A template taken apart, once. */
function messageOf(key, words) {
  if (!messages.has(words)) messages.set(words, new Map());
  const known = messages.get(words);
  if (!known.has(key)) known.set(key, parse(words[key], { at: 0 }));
  return known.get(key);
}

/** The parts of a template from a place on, which is moved to the brace that ends it. */
function parse(text, place) {
  const take = (pattern) => {
    pattern.lastIndex = place.at;
    const match = pattern.exec(text);
    if (match) place.at = pattern.lastIndex;
    return match;
  };
  const parts = [];
  while (place.at < text.length && text[place.at] !== "}") {
    const plain = take(/[^{}]+/y);
    if (plain) {
      parts.push(plain[0]);
      continue;
    }
    const [, template, name, style] = take(/\{(@?)([^,{}]+)(?:, (\w+))?(?:, )?/y);
    const cases = { __proto__: null };
    while (text[place.at] !== "}") {
      const [, key] = take(/ ?(\w*) ?\{/y);
      cases[key] = parse(text, place);
      place.at++;
    }
    place.at++;
    parts.push({ template, name, style, cases });
  }
  return parts;
}

const textOf = (message, fact, words) =>
  message.map((part) => (typeof part === "string" ? part : slotText(part, fact, words))).join("");

/** What stands in a slot. */
function slotText({ template, name, style, cases }, fact, words) {
  if (template) return textOf(messageOf(`@${name}`, words), fact, words);
  const value = fact[name];
  if (style === "select") {
    const key = Array.isArray(value) ? value.length : value;
    return textOf(cases[String(key)] ?? cases.other, fact, words);
  }
  const plain = (one) => (typeof one === "object" ? say(one, words) : String(one));
  if (style === "list") return value.map(plain).join(textOf(cases[""], fact, words));
  return style ? NUMBERS[style](value) : plain(value);
}
