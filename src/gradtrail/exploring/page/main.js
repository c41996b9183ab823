// Opens the page: with the step that lies in it, or with the one behind the server.

import { SavedSource } from "gradtrail/source/saved.js";
import { ServedSource } from "gradtrail/source/served.js";
import "gradtrail/view/explorer.js";

const explorer = document.querySelector("gt-explorer");
try {
  const saved = document.documentElement.dataset.mode === "saved";
  explorer.open(saved ? await SavedSource.open(document) : await ServedSource.open());
} catch (error) {
  explorer.textContent = error.message;
  throw error;
}
