// Node finds the page's modules where the page's import map would: `--import` this file.

import { register } from "node:module";

register("./hooks.mjs", import.meta.url);
