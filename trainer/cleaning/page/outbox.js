// Sends what a person decided, in order. What cannot be saved is kept here, said so, and sent again on demand.

import { ApiError, postEdits, postUndo } from "./api.js";

const WAITING = "waiting";
const FAILED = "failed";
const CONFLICT = 409;
const REFUSALS = new Set([400, 404, 413, 422]); // the change itself is wrong: sending it again does not help

/** The actions that are not saved yet. */
export class Outbox {
  #entries = [];
  #sending = Promise.resolve();

  /**
   * @param {object} options
   * @param {() => string} options.catalog  which images the ids are of; the server refuses those of another run
   * @param {(answer: object, entry: object) => void} options.onSaved
   * @param {(error: ApiError) => void} options.onRefused  an action can never be saved, and is dropped
   * @param {() => void} options.onChange
   */
  constructor({ catalog, onSaved, onRefused, onChange }) {
    Object.assign(this, { catalog, onSaved, onRefused, onChange });
    this.error = null; // ApiError of the last attempt
    addEventListener("beforeunload", (event) => { if (this.size) event.preventDefault(); });
  }

  /** How many actions are not saved. */
  get size() {
    return this.#entries.length;
  }

  /** Whether the server could not save. */
  get hasFailed() {
    return this.error !== null;
  }

  /** The changes that will probably be saved, oldest first: those that are shown already. */
  get changes() {
    return this.#entries.filter(({ status }) => status === WAITING).flatMap(({ changes }) => changes);
  }

  /** Send changes as one action. If earlier ones have failed, those are sent again first. */
  edit(changes) {
    const action = newId(); // the same if it is sent again: then the server does not save it twice
    this.#add({ changes, body: () => ({ action, edits: changes }) });
  }

  /**
   * Take an action back. One that could not be saved is dropped instead.
   *
   * @param {() => string | null} action  its id, asked for once all before it is saved
   * @returns {boolean}  whether one was dropped
   */
  undo(action) {
    if (this.hasFailed && this.#entries.length) {
      this.#entries.pop();
      if (!this.#entries.length) this.error = null;
      this.onChange();
      return true;
    }
    this.#add({ changes: [], body: () => (action() ? { action: action() } : {}), isUndo: true });
    return false;
  }

  /** Send again what has failed. */
  retry() {
    this.error = null;
    for (const entry of this.#entries) entry.status = WAITING;
    this.onChange();
    this.#sending = this.#sending.then(() => this.#send());
  }

  /** Wait until all is saved, or something has failed. */
  whenIdle() {
    return this.#sending;
  }

  /** Drop what is not saved. */
  discard() {
    this.#entries = [];
    this.error = null;
    this.onChange();
  }

  #add(entry) {
    this.#entries.push({ ...entry, status: WAITING });
    this.retry();
  }

  async #send() {
    while (this.#entries.length && !this.hasFailed) await this.#sendFirst(this.#entries[0]);
  }

  async #sendFirst(entry) {
    try {
      const answer = await (entry.isUndo ? postUndo : postEdits)({ catalog: this.catalog(), ...entry.body() });
      this.#entries = this.#entries.filter((other) => other !== entry);
      this.onSaved(answer, entry);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#onError(entry, error);
    }
    this.onChange();
  }

  #onError(entry, error) {
    if (isRefusal(error, entry)) {
      this.#entries = this.#entries.filter((other) => other !== entry);
      this.onRefused(error);
      return;
    }
    this.error = error;
    for (const other of this.#entries) other.status = FAILED;
  }
}

function isRefusal({ status }, { isUndo }) {
  return REFUSALS.has(status) || (isUndo && status === CONFLICT); // there is nothing to take back
}

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
