// The languages of the page.

import { english } from "gradtrail/words/en.js";
import { korean } from "gradtrail/words/ko.js";

const KNOWN = { en: english, ko: korean };

/** Each language's code and its own name. */
export const LANGUAGES = [
  ["en", "English"],
  ["ko", "한국어"],
];

/** The words of a language. */
export function wordsOf(language) {
  return KNOWN[language] ?? english;
}

/** The language that the reader's browser asks for. */
export function preferred() {
  return navigator.languages?.some((language) => language.startsWith("ko")) ? "ko" : "en";
}
