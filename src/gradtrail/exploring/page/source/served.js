// A page with a server behind it: rows are fetched when they are needed, edits are computed there.

import { sizeOf } from "gradtrail/equation/affine.js";
import { unpackBytes } from "gradtrail/source/payload.js";
import { Arrays, arrayOf, emptyArray } from "gradtrail/step/arrays.js";
import { Step } from "gradtrail/step/step.js";
import { plainNumber } from "gradtrail/words/say.js";

/** Steps up to this size are fetched whole, so that every question is answered at once. */
const WHOLE = 24e6;

async function asked(path, options) {
  const answer = await fetch(path, options).catch(() => {
    throw Object.assign(new Error("gradtrail does not answer"), { status: 0 });
  });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(told.error ?? `${answer.status} ${answer.statusText}`), {
    status: answer.status,
  });
}

export class ServedSource extends EventTarget {
  static async open() {
    const source = new ServedSource();
    source.description = await (await asked("api/description")).json();
    source.arrays = new Arrays();
    source.step = new Step(source.description, source.arrays);
    source.forget(source.description.state);
    source.complete = source.bytes <= WHOLE;
    if (source.complete) await source.begin();
    return source;
  }

  /** Fetch the whole step; a training that is followed may have made it another one meanwhile. */
  async begin() {
    for (let tries = 0; ; tries++) {
      try {
        this.take(await this.everything(this.state.version));
        return;
      } catch (error) {
        if (error.status !== 409 || tries === 5) throw error;
        this.forget(await (await asked("api/state")).json());
      }
    }
  }

  /** How much memory all numbers take. */
  get bytes() {
    const each = { f4: 4, f8: 8, i4: 4 };
    return this.description.arrays.reduce(
      (sum, { size, dtype, gradient_dtype: gradient }) => sum + size * (each[dtype] + (each[gradient] ?? 0)),
      0,
    );
  }

  /** Another version is shown from now on; JSON writes NaN and the infinities as text. */
  turn(state) {
    this.state = { ...state, loss: plainNumber(state.loss) };
    this.arrays.version = state.version;
  }

  /** Begin with another version, of which nothing is here yet. */
  forget(state) {
    this.turn(state);
    for (const side of ["value", "grad", "change"]) this.arrays.sides[side] = new Map();
    this.held = new Map();
    this.waiting = new Map();
  }

  /** Hold an array, of which all rows are here (1) or none (0). */
  hold(side, name, array, here) {
    this.arrays.set(side, name, array);
    this.held.set(`${side} ${name}`, new Uint8Array(Math.max(1, this.step.shape(name)[0] ?? 1)).fill(here));
  }

  /** Whether rows are here. */
  has({ side, name, from, to }) {
    const held = this.held.get(`${side} ${name}`);
    return held !== undefined && !held.subarray(from, to).includes(0);
  }

  /** Fetch the rows that are not here yet. */
  async load(needs) {
    const { version } = this.state;
    const missing = needs.filter((need) => !this.has(need));
    await Promise.all(missing.map((need) => this.loadOne(need, version))).catch((error) => {
      if (version === this.state.version) return this.outdated(error);
      return undefined; // another version is shown by now
    });
  }

  loadOne(need, version) {
    const { side, name, from, to } = need;
    const key = `${version} ${side} ${name} ${from} ${to}`;
    if (!this.waiting.has(key)) {
      const rows = this.fetchRows(need, version).finally(() => this.waiting.delete(key));
      this.waiting.set(key, rows);
    }
    return this.waiting.get(key);
  }

  async fetchRows({ side, name, from, to }, version) {
    const query = new URLSearchParams({ version, side, name, from, to });
    const buffer = await (await asked(`api/rows?${query}`)).arrayBuffer();
    if (version !== this.state.version) return;
    const dtype = this.step.dtype(side, name);
    const { size, shape } = this.step.arrays.get(name);
    if (!this.arrays.array(side, name)) this.hold(side, name, emptyArray(dtype, size), 0);
    const rows = arrayOf(dtype, buffer, 0, buffer.byteLength);
    this.arrays.array(side, name).set(rows, from * sizeOf(shape.slice(1)));
    this.held.get(`${side} ${name}`).fill(1, from, to);
  }

  /** Every number of a version, in one piece. */
  async everything(version) {
    const buffer = await (await asked(`api/all?${new URLSearchParams({ version })}`)).arrayBuffer();
    return unpackBytes(buffer).arrays;
  }

  /** Hold the numbers of a whole step. */
  take(arrays) {
    for (const { side, name, array } of arrays) this.hold(side, name, array, 1);
  }

  /** Make changes; see `gradtrail.exploring.session.Session.apply`. */
  async change(changes) {
    const headers = { "Content-Type": "application/json" };
    // an update goes from what is shown; if that is gone, what there is now is shown first
    const version = changes.some(({ kind }) => kind === "update") ? this.state.version : undefined;
    const body = JSON.stringify({ changes, version });
    const answer = await asked("api/edit", { method: "POST", headers, body }).catch((error) =>
      this.outdated(Object.assign(error, { told: error.status === 409 ? "changedElsewhere" : undefined })),
    );
    await this.renew(await answer.json());
    return this.state;
  }

  /** Somebody else changed the step: show what it is now, and hand the refusal on. */
  async outdated(error) {
    if (error.status === 409) await this.latest();
    throw error;
  }

  /** Show another version; the state changes when its numbers are here. */
  async renew(state) {
    if (state.version <= this.state.version) return;
    if (this.complete) {
      const arrays = await this.everything(state.version).catch((error) => {
        if (error.status === 409) return null; // there is a newer one already
        throw error;
      });
      if (arrays === null) {
        await this.latest();
        return;
      }
      if (state.version <= this.state.version) return; // another answer was quicker
      this.turn(state);
      this.take(arrays);
    } else this.forget(state);
    this.dispatchEvent(new Event("change"));
  }

  /** What `why` finds of an element, where the page has not all arrays to find it itself. */
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
    const told = await (await asked(`api/live?${new URLSearchParams({ after })}`)).json();
    const health = told.health.map((row) => ({
      ...row,
      weight: plainNumber(row.weight),
      gradient: plainNumber(row.gradient),
    }));
    return { ...told, health, losses: told.losses.map(([step, loss]) => [step, plainNumber(loss)]) };
  }

  /** This page with the step as it is now, as a file. */
  async file() {
    return (await asked("api/file")).blob();
  }
}
