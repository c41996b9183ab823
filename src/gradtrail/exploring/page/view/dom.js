// Elements written in one line, and what all parts of the page need of them.

import { written } from "gradtrail/step/step.js";

/**
 * An element with attributes and children.
 * @param {string} name the tag, with classes: "button.quiet"
 * @param {Object} attributes `on…` are listeners, true and false set and leave out, others are written
 */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A button; its name has its classes: "button.link". */
export function button(name, onclick, label, attributes = {}) {
  return h(name, { type: "button", onclick, ...attributes }, label);
}

/** A link that leads to an element of the step. */
export function elementLink(model, cell, label = written(cell.side, cell.name, cell.index)) {
  return button("button.link", () => model.follow(cell), label);
}

/** A row of a table: its head, and figures, or cells that are there already. */
export function figuresRow(head, ...figures) {
  const cells = figures.map((figure) => (figure instanceof Element ? figure : h("td.number", {}, figure)));
  return h("tr", {}, h("th", { scope: "row" }, ...[head].flat()), ...cells);
}

/** A part of the page, made for its model. */
export class View extends HTMLElement {
  static of(model, more = {}) {
    return Object.assign(new this(), { model, ...more });
  }
}

/** Give an element its children, unless it has them; those that stay are not moved. */
export function fill(element, ...children) {
  const held = element.childNodes;
  const same = held.length === children.length && children.every((child, i) => child === held[i]);
  if (!same) element.replaceChildren(...children);
}

/** Give an element a text, unless it has it; the node that holds the text stays. */
export function write(element, text) {
  const held = element.firstChild;
  if (held?.nodeType !== Node.TEXT_NODE || held.nextSibling) element.textContent = text;
  else if (held.data !== text) held.data = text;
}

let waiting = new Set();

/** Everything that waits for this frame; what it asks for on its way is done in the next one. */
function frame() {
  const works = waiting;
  waiting = new Set();
  for (const work of works) {
    try {
      work();
    } catch (error) {
      reportError(error); // the others are done all the same
    }
  }
}

/**
 * Do `work` once before the next frame, however often it is asked for. All share one call of the
 * browser's: there are so many maps that a call for each would take longer than what most of them do.
 */
export function framed(work) {
  return () => {
    if (waiting.size === 0) requestAnimationFrame(frame);
    waiting.add(work);
  };
}

/** `work` done on one thing at a time; of what comes meanwhile, only the last is taken up. */
export function oneByOne(work) {
  let busy = false;
  let waiting = null;
  return async (...given) => {
    waiting = given;
    if (busy) return;
    busy = true;
    while (waiting) {
      const next = waiting;
      waiting = null;
      await work(...next);
    }
    busy = false;
  };
}

/** Make a canvas as sharp as the screen; gives its context, in CSS pixels. */
export function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.imageSmoothingEnabled = false;
  return context;
}

/** A parsed formula; `markup` comes from the session's own description. */
export function formulaFrom(markup) {
  const parsed = new DOMParser().parseFromString(markup, "text/html");
  return document.importNode(parsed.body.firstElementChild, true);
}
