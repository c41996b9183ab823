// <gt-stages>: the four stages on one bar, to step through, play and stop.

import { View, button, h } from "gradtrail/view/dom.js";
import { STAGES } from "gradtrail/view/sequence.js";
import { named } from "gradtrail/step/step.js";
import { UpdateView } from "gradtrail/view/update.js";
import { number } from "gradtrail/words/number.js";

const PACE = 700;

export class StagesView extends View {
  connectedCallback() {
    if (this.bar) return;
    const { model } = this;
    const step = (name, text, work) => button("button.step", work, text, { "data-name": name });
    this.buttons = {
      first: step("first", "«", () => this.move(0)),
      previous: step("previous", "‹", () => this.move(model.at - 1)),
      play: step("play", "▶", () => this.toggle()),
      next: step("next", "›", () => this.move(model.at + 1)),
      last: step("last", "»", () => this.move(model.sequence.length - 1)),
    };
    this.segments = STAGES.map((stage) => this.segment(stage));
    this.bar = h(
      "div.bar",
      {
        role: "slider",
        tabindex: "0",
        "aria-valuemin": "0",
        "aria-valuemax": String(model.sequence.length - 1),
        onkeydown: (event) => this.pressed(event),
      },
      ...this.segments.map(({ element }) => element),
    );
    this.caption = h("div.caption", { "aria-live": "polite" });
    const below = h("div.below", {}, this.caption, UpdateView.of(model));
    this.append(h("div.buttons", {}, ...Object.values(this.buttons)), this.bar, below);
    model.on("stage look", () => this.show());
    model.on("numbers", () => model.stage.stage === "loss" && this.show());
    document.addEventListener("keydown", (event) => this.everywhere(event));
    this.show();
  }

  /** One stage: a name, and a dot for each of its steps. */
  segment(stage) {
    const places = this.model.sequence.flatMap((step, place) => (step.stage === stage ? [place] : []));
    const name = h("span.stage-name");
    const jump = (event, place) => {
      event.stopPropagation();
      this.move(place);
    };
    const dots = places.map((place) => h("span.dot", { onclick: (event) => jump(event, place) }));
    const element = h(
      "div.segment",
      { "data-stage": stage, onclick: () => this.move(places.at(-1) ?? this.model.at) },
      name,
      h("span.dots", {}, ...dots),
    );
    element.style.flexGrow = String(Math.max(3, Math.min(14, places.length)));
    return { stage, places, name, dots, element };
  }

  move(place) {
    this.stop();
    this.go(place);
  }

  go(place) {
    this.model.stepping = true;
    this.model.go(place);
    this.model.stepping = false;
  }

  // -- playing ------------------------------------------------------------------------------------

  get playing() {
    return this.timer !== undefined;
  }

  toggle() {
    if (this.playing) return this.stop();
    if (this.model.at === this.model.sequence.length - 1) this.go(0);
    this.timer = setInterval(() => {
      this.go(this.model.at + 1);
      if (this.model.at === this.model.sequence.length - 1) this.stop();
    }, PACE);
    return this.show();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.show();
  }

  // -- the keyboard -------------------------------------------------------------------------------

  pressed(event) {
    const { model } = this;
    const to = { ArrowRight: model.at + 1, ArrowLeft: model.at - 1, Home: 0, End: model.sequence.length - 1 }[
      event.key
    ];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.move(to);
  }

  /** Keys that work wherever nothing is typed: . and , step, p plays, 1 to 4 go to a stage. */
  everywhere(event) {
    const typed = event.target.closest?.("input, select, textarea, dialog");
    if (typed || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === ".") this.move(this.model.at + 1);
    else if (event.key === ",") this.move(this.model.at - 1);
    else if (event.key === "p") this.toggle();
    else if (/^[1-4]$/.test(event.key)) this.segments[Number(event.key) - 1].element.click();
  }

  // -- what it says -------------------------------------------------------------------------------

  show() {
    const { model } = this;
    const { words, stage, at } = model;
    for (const { name, places, dots, element, stage: own } of this.segments) {
      name.textContent = words.stages[own];
      element.classList.toggle("current", own === stage.stage);
      dots.forEach((dot, i) => {
        dot.classList.toggle("done", places[i] <= at);
        dot.classList.toggle("here", places[i] === at);
        dot.title = model.sequence[places[i]].layer;
      });
    }
    for (const [name, button] of Object.entries(this.buttons)) {
      const spoken = name === "play" && this.playing ? words.buttons.pause : words.buttons[name];
      button.setAttribute("aria-label", spoken);
      button.title = spoken;
    }
    this.buttons.play.textContent = this.playing ? "❚❚" : "▶";
    const told = this.told();
    this.caption.replaceChildren(told);
    this.bar.setAttribute("aria-label", words.stageBar);
    this.bar.setAttribute("aria-valuenow", String(at));
    this.bar.setAttribute("aria-valuetext", `${words.stages[stage.stage]}: ${stage.layer}. ${told}`);
  }

  told() {
    const { words, stage, source, step } = this.model;
    if (stage.stage === "loss") return words.captions.loss(number(source.state.loss, 6));
    const shown = stage.fills
      .filter(
        ({ name }) => !["saved", "given"].includes(step.arrays.get(name).role) || stage.stage !== "forward",
      )
      .map(({ side, name }) => `${named(side, name)} (${step.shape(name).join("×") || "1"})`);
    if (stage.layer === this.model.description.input) return words.captions.start(shown[0]);
    return words.captions[stage.stage](stage.layer, shown.join(", "));
  }
}

customElements.define("gt-stages", StagesView);
