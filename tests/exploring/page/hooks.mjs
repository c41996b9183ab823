// `gradtrail/step/step.js` is a file of the page, and a module, though no package.json says so.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const PAGE = pathToFileURL(`${process.env.GRADTRAIL_PAGE}/`);

export async function resolve(specifier, context, next) {
  if (!specifier.startsWith("gradtrail/")) return next(specifier, context);
  return { url: new URL(specifier.slice("gradtrail/".length), PAGE).href, shortCircuit: true };
}

export async function load(url, context, next) {
  if (!url.startsWith(PAGE.href)) return next(url, context);
  return { format: "module", source: await readFile(new URL(url)), shortCircuit: true };
}
