// A page with a server behind it: rows are fetched when they are needed, edits are computed there.

import { Arrays, arrayOf, emptyArray } from "gradtrail/step/arrays.js";
import { Step } from "gradtrail/step/step.js";

/** Steps up to this size are fetched whole, so that every question is answered at once. */
const WHOLE = 24e6;

async function asked(path, options) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(told.error ?? `${answer.status} ${answer.statusText}`), { status: answer.status });
}

export class ServedSource extends EventTarget {
  static async open() {
    const source = new ServedSource();
    source.description = await (await asked("api/description")).json();
    source.arrays = new Arrays();
    source.step = new Step(source.description, source.arrays);
    source.forget(source.description.state);
    source.complete = source.bytes <= WHOLE;
    if (source.complete) await source.fetchAll();
    return source;
  }

  /** How much memory all numbers take. */
  get bytes() {
    const each = { f4: 4, f8: 8, i4: 4 };
    return this.description.arrays.reduce(
      (sum, { size, dtype, gradient_dtype: gradient }) => sum + size * (each[dtype] + (each[gradient] ?? 0)),
      0,
    );
  }

  /** Begin with another version, of which nothing is here yet. */
  forget(state) {
    this.state = state;
    this.arrays.version = state.version;
    for (const side of ["value", "grad", "change"]) this.arrays.sides[side] = new Map();
    this.held = new Map();
    this.waiting = new Map();
  }

  /** The array that rows are written into. */
  target(side, name) {
    let array = this.arrays.array(side, name);
    if (!array) {
      const { size, dtype, gradient_dtype: gradient } = this.step.arrays.get(name);
      array = emptyArray(side === "grad" ? gradient : dtype, size);
      this.arrays.set(side, name, array);
      this.held.set(`${side} ${name}`, new Uint8Array(Math.max(1, this.step.shape(name)[0] ?? 1)));
    }
    return array;
  }

  /** Whether rows are here. */
  has({ side, name, from, to }) {
    const held = this.held.get(`${side} ${name}`);
    return held !== undefined && !held.subarray(from, to).includes(0);
  }

  /** Fetch the rows that are not here yet. */
  async load(needs) {
    const { version } = this.state;
    await Promise.all(needs.filter((need) => !this.has(need)).map((need) => this.loadOne(need, version)));
  }

  loadOne(need, version) {
    const { side, name, from, to } = need;
    const key = `${version} ${side} ${name} ${from} ${to}`;
    if (!this.waiting.has(key)) {
      this.waiting.set(key, this.fetchRows(need, version).finally(() => this.waiting.delete(key)));
    }
    return this.waiting.get(key);
  }

  async fetchRows({ side, name, from, to }, version) {
    const query = new URLSearchParams({ version, side, name, from, to });
    const buffer = await (await asked(`api/rows?${query}`)).arrayBuffer();
    if (version !== this.state.version) return;
    const { dtype, gradient_dtype: gradient } = this.step.arrays.get(name);
    const rows = arrayOf(side === "grad" ? gradient : dtype, buffer, 0, buffer.byteLength);
    const each = this.step.shape(name).slice(1).reduce((product, size) => product * size, 1);
    this.target(side, name).set(rows, from * each);
    this.held.get(`${side} ${name}`).fill(1, from, to);
  }

  /** Fetch every number in one piece. */
  async fetchAll() {
    const { version } = this.state;
    const buffer = await (await asked(`api/all?${new URLSearchParams({ version })}`)).arrayBuffer();
    if (version !== this.state.version) return;
    const length = new DataView(buffer).getUint32(0, true);
    const listed = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    for (const { side, name, dtype, offset, bytes } of listed) {
      this.arrays.set(side, name, arrayOf(dtype, buffer, 4 + length + offset, bytes));
      this.held.set(`${side} ${name}`, new Uint8Array(Math.max(1, this.step.shape(name)[0] ?? 1)).fill(1));
    }
  }

  /** Make changes; see `gradtrail.explore.session.Session.apply`. */
  async change(changes) {
    const state = await (
      await asked("api/edit", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ changes }),
      })
    ).json();
    await this.renew(state);
    return state;
  }

  /** Show another version. */
  async renew(state) {
    if (state.version < this.state.version) return;
    if (this.complete) {
      const next = { ...state };
      this.state = next;
      await this.fetchAll();
      if (this.state !== next) return;
      this.arrays.version = state.version;
    } else this.forget(state);
    this.dispatchEvent(new Event("change"));
  }

  /** The sentence about an element, where the page has not all arrays to find it itself. */
  async why(side, name, index) {
    const query = new URLSearchParams({ version: this.state.version, side, name, index: index.join(",") });
    return (await asked(`api/why?${query}`)).json();
  }

  /** Show the step that the server has now. */
  async latest() {
    await this.renew(await (await asked("api/state")).json());
  }

  /** How a training goes on, from a step on. */
  async live(after) {
    return (await asked(`api/live?${new URLSearchParams({ after })}`)).json();
  }

  /** This page with the step as it is now, as a file. */
  async file() {
    return (await asked("api/file")).blob();
  }
}
