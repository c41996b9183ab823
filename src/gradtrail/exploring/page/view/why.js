// The sentence of `why` about an element: facts found in the page where it has all arrays, else asked for.

import { elementLink, h } from "gradtrail/view/dom.js";
import { written } from "gradtrail/step/step.js";
import { why } from "gradtrail/why/why.js";
import { say } from "gradtrail/words/say.js";

/** How long a pointer rests before a sentence is looked for that takes its time. */
const REST = 140;

export class Why {
  constructor(model) {
    this.model = model;
  }

  /** A paragraph that has the sentence, or gets it. */
  element(cell) {
    const { model } = this;
    const { side, name, index } = cell;
    const told = h("p.why", { "data-element": written(side, name, index) });
    const answer = () => {
      if (model.source.complete) this.fill(told, why(model.step, side, name, index));
      else
        model.source.why(side, name, index).then(
          (found) => this.fill(told, found),
          () => told.remove(),
        );
    };
    clearTimeout(this.waiting);
    if (model.source.complete && model.isPinned(cell)) answer();
    else {
      told.textContent = "…";
      this.waiting = setTimeout(answer, REST);
    }
    return told;
  }

  fill(told, { fact, cause, where }) {
    told.dataset.cause = cause;
    told.textContent = say(fact, this.model.words.why);
    for (const cell of where) {
      const element = written(cell.side, cell.name, cell.index);
      if (element !== told.dataset.element) told.append(" ", elementLink(this.model, cell, `→ ${element}`));
    }
  }
}
