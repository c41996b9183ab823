// <gt-explorer>: the whole page.

import { button, h } from "gradtrail/view/dom.js";
import { legend, theme } from "gradtrail/view/colour.js";
import { InspectorView } from "gradtrail/view/inspector.js";
import { LiveView } from "gradtrail/view/live.js";
import { Model } from "gradtrail/view/model.js";
import { NetworkView } from "gradtrail/view/network.js";
import { SamplesView } from "gradtrail/view/samples.js";
import { StagesView } from "gradtrail/view/stages.js";
import { LANGUAGES, preferred } from "gradtrail/words/words.js";

/** What the reader chose last time, where the browser keeps it. */
function remembered(key) {
  try {
    return localStorage.getItem(`gradtrail ${key}`);
  } catch {
    return null; // a page from a disk may have no store
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(`gradtrail ${key}`, value);
  } catch {
    // then it is chosen anew next time
  }
}

export class ExplorerView extends HTMLElement {
  /** Show a source: a step that lies in the page, or behind a server. */
  open(source) {
    const model = new Model(source);
    this.model = model;
    model.change = (change) => this.change(change);
    model.fail = (error) => this.fail(error);
    document.documentElement.dataset.theme =
      remembered("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    model.set({ language: remembered("language") ?? preferred() });
    this.message = h("div.message", { role: "status", hidden: true });
    this.toolbar = h("div.toolbar", { role: "group" });
    this.legend = h("div.colours");
    this.heading = h("h1", {}, model.description.title);
    this.replaceChildren(
      h(
        "header.top",
        {},
        h("div.title-line", {}, this.heading, this.legend, this.toolbar),
        StagesView.of(model),
      ),
      this.message,
      h(
        "main",
        {},
        h(
          "div.left",
          {},
          SamplesView.of(model),
          ...(model.description.live ? [LiveView.of(model)] : []),
          NetworkView.of(model),
        ),
        InspectorView.of(model),
      ),
    );
    model.on("look", () => this.label());
    document.addEventListener("keydown", (event) => this.pressed(event));
    const top = this.querySelector(".top");
    const measured = () => this.style.setProperty("--top-height", `${top.offsetHeight}px`);
    new ResizeObserver(measured).observe(top);
    this.label();
    this.classList.add("ready");
    performance.mark("gradtrail ready");
  }

  // -- changes ------------------------------------------------------------------------------------

  /** Make a change; whether it was made. What cannot be made is told, and nothing is lost. */
  async change(change) {
    try {
      await this.model.source.change([change]);
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  fail(error) {
    if (error.status === 409 && !error.told) return; // asked about a step that was replaced meanwhile
    const { words } = this.model;
    this.message.textContent = error.status === 0 ? words.ended : (words.errors[error.told] ?? error.message);
    this.message.hidden = false;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => (this.message.hidden = true), 8000);
  }

  pressed(event) {
    if (event.key === "Escape" && !event.target.closest?.("dialog")) this.model.unpin();
    if (event.key === "Backspace" && this.model.trail.length && !event.target.closest?.("input, select")) {
      event.preventDefault();
      this.model.back();
    }
  }

  // -- looks --------------------------------------------------------------------------------------

  label() {
    const { model } = this;
    const { words, description } = model;
    document.documentElement.lang = model.options.language;
    document.title = `${description.title} · gradtrail`;
    const mode = description.training ? words.trainingMode : words.evaluationMode;
    this.heading.replaceChildren(description.title, h("span.mode", {}, mode));
    this.colours();
    this.tools();
  }

  colours() {
    const { words } = this.model;
    const bar = h("span.colour-bar", { "aria-hidden": "true" });
    bar.style.background = `linear-gradient(90deg, ${legend().join(", ")})`;
    this.legend.replaceChildren(
      h("span", {}, "−max"),
      bar,
      h("span", {}, "+max"),
      h("span.closed-key", {}, h("i", { "aria-hidden": "true" }), words.closedKey),
    );
    this.legend.title = words.colourHelp;
  }

  tools() {
    const { model } = this;
    const { words, options } = model;
    const toggle = (key, name) =>
      button("button", () => model.set({ [key]: !options[key] }), name, {
        "data-name": key,
        "aria-pressed": String(options[key]),
      });
    const language = h(
      "select",
      { "data-name": "language", "aria-label": words.language, onchange: () => this.speak(language.value) },
      ...LANGUAGES.map(([code, name]) =>
        h("option", { value: code, selected: code === options.language, lang: code }, name),
      ),
    );
    const zoom = h(
      "select",
      {
        "data-name": "zoom",
        "aria-label": words.size,
        onchange: () => model.set({ zoom: Number(zoom.value) }),
      },
      ...[1, 2, 3].map((factor) =>
        h("option", { value: factor, selected: factor === options.zoom }, `${factor}×`),
      ),
    );
    this.toolbar.setAttribute("aria-label", words.options);
    const focused = document.activeElement?.dataset?.name;
    this.toolbar.replaceChildren(
      toggle("winners", words.winners),
      toggle("closed", words.closed),
      zoom,
      language,
      button("button", () => this.turn(), words.theme, { "data-name": "theme" }),
      button("button", () => this.save(), words.save, { "data-name": "save" }),
    );
    if (focused) this.toolbar.querySelector(`[data-name="${focused}"]`)?.focus();
  }

  speak(language) {
    remember("language", language);
    this.model.set({ language });
  }

  turn() {
    const turned = theme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = turned;
    remember("theme", turned);
    this.model.tell("look");
  }

  /** The page as one file that needs nothing else. */
  async save() {
    try {
      const file = await this.model.source.file();
      const link = h("a", { href: URL.createObjectURL(file), download: this.model.description.file });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    } catch (error) {
      this.fail(error);
    }
  }
}

customElements.define("gt-explorer", ExplorerView);
