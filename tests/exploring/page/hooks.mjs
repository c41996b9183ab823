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
  const sentences = /words\/why-(\w+)\.js$/.exec(url); // which Python makes of the file that both read
  if (sentences) {
    const file = new URL(`../../tracing/words/${sentences[1]}.json`, PAGE);
    return { format: "module", source: `export default ${await readFile(file)}`, shortCircuit: true };
  }
  return { format: "module", source: await readFile(new URL(url)), shortCircuit: true };
}
