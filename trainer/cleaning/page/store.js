// What the page knows: the server's state, items and groups, and on top of them what is being saved.

import { ITEMS_A_REQUEST, getItems, getState } from "./api.js";
import { applied } from "./changes.js";
import { Outbox } from "./outbox.js";

const MOST_ITEMS = 8000; // kept in memory; others are fetched again if they are shown
const GROUPS = "groups";
const NOTHING = { proposal: null, probability: null, reason: null };
const BY_CLASS = {
  name: "class", title: "One class", about: "Every image that has this label, or had it.", kind: "images",
  count: 0, judged: 0, right_in_a_row: 0, stop: null, working: null,
};

export class Store {
  #items = new Map(); // id -> Item, as the server says, without what it says about one queue
  #entries = new Map(); // `${queue} ${id}` -> {proposal, probability, reason}; "" is for an image by itself
  #groups = new Map(); // `${queue} ${id}` -> Group with the ids of its members
  #changedAt = new Map(); // id -> number of the answer that changed it
  #answers = 0;
  #listeners = [];
  #isNotifying = false;

  /**
   * @param {object} options
   * @param {(ids: number[], what: string) => void} options.onUndone  what: the action, in a few words
   * @param {(count: number) => void} options.onCopies  exact copies were changed with the images that were named
   * @param {(error: Error) => void} options.onRefused
   * @param {() => void} options.onForeignChange  another page, or another process, has changed something
   */
  constructor({ onUndone, onCopies, onRefused, onForeignChange }) {
    this.state = null; // State of the server
    this.present = ""; // the queue that is shown
    Object.assign(this, { onUndone, onCopies, onForeignChange });
    this.outbox = new Outbox({
      catalog: () => this.state.catalog,
      onSaved: (answer, entry) => this.#onSaved(answer, entry),
      onRefused,
      onChange: () => this.notify(),
    });
  }

  /** Call a function after anything has changed; several changes at once are one call. */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  notify() {
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    queueMicrotask(() => {
      this.#isNotifying = false;
      for (const listener of this.#listeners) listener();
    });
  }

  get isMultilabel() {
    return this.state.task === "multilabel";
  }

  queue(name) {
    return this.state.queues.find((queue) => queue.name === name);
  }

  isGroups(name) {
    return this.queue(name)?.kind === GROUPS;
  }

  /**
   * An item as it is shown: with what is being saved. Undefined if it is not here yet.
   *
   * @param {number} id
   * @param {{isSingle?: boolean}} options  whether it is shown alone: then what is known of it by itself counts, too
   */
  item(id, { isSingle = false } = {}) {
    const saved = this.#items.get(id);
    if (!saved) return undefined;
    const entry = this.#entries.get(`${this.present} ${id}`) ?? NOTHING;
    const isPlain = entry.proposal === null && entry.reason === null;
    const item = { ...saved, ...(isSingle && isPlain ? this.#entries.get(` ${id}`) ?? NOTHING : entry) };
    return this.outbox.changes.filter(({ ids }) => ids.includes(id)).reduce(applied, item);
  }

  /** A group as it is shown, its members among it. Undefined if it is not here yet. */
  group(queue, id) {
    const group = this.#groups.get(`${queue} ${id}`);
    const members = group?.members.map((member) => this.item(member));
    if (!members || members.includes(undefined)) return undefined;
    return { ...group, members, judged: group.judged || isJudgedBy(group, this.outbox.changes) };
  }

  /** Fetch items, or groups, and keep them. Those that are here already are fetched only if `isRefresh`. */
  async load(queue, ids, { isRefresh = false } = {}) {
    const wanted = isRefresh ? ids : ids.filter((id) => !this.#has(queue, id));
    for (let start = 0; start < wanted.length; start += ITEMS_A_REQUEST) {
      const answers = this.#answers;
      this.put(queue, await getItems(queue, wanted.slice(start, start + ITEMS_A_REQUEST)), answers);
    }
    if (wanted.length) this.notify();
  }

  #has(queue, id) {
    if (this.isGroups(queue)) return this.group(queue, id) !== undefined;
    return this.#items.has(id) && this.#entries.has(`${queue} ${id}`);
  }

  /** Keep what the server gave; what was changed after it was asked for stays. */
  put(queue, given, answers = this.#answers) {
    for (const one of given) {
      if ("members" in one) {
        const isStale = answers < this.#answers; // something was saved since it was asked for
        this.#groups.set(`${queue} ${one.id}`, { ...one, members: one.members.map(({ id }) => id), isStale });
        this.put(queue, one.members, answers);
        continue;
      }
      const { proposal, probability, reason, ...item } = one;
      this.#entries.set(`${queue} ${one.id}`, { proposal, probability, reason });
      if (!((this.#changedAt.get(one.id) ?? 0) > answers)) this.#keep(item);
    }
    if (this.#items.size > MOST_ITEMS) this.#forgetOldest();
  }

  #keep(item) {
    this.#items.delete(item.id); // so that it is the newest one
    this.#items.set(item.id, item);
  }

  #setState(state) {
    this.state = { ...state, queues: [...state.queues.slice(0, -1), BY_CLASS, ...state.queues.slice(-1)] };
  }

  /** Ask for the state. Returns whether another page has changed something since. */
  async refreshState() {
    const before = this.state?.version;
    const state = await getState();
    if (this.outbox.size) return false; // its answer will bring a newer one
    this.#setState(state);
    this.notify(); // also if only the progress of work in the background is another
    return state.version !== before;
  }

  /** The answers so far, to give to `put` with what is asked for now. */
  get answers() {
    return this.#answers;
  }

  #onSaved({ items, state }, { isUndo, changes }) {
    this.#answers += 1;
    const undone = this.state.can_undo; // all that was decided before is saved
    const hasMissedSome = state.version > this.state.version + 1;
    this.#setState(state);
    for (const { proposal, probability, reason, ...item } of items) { // these three are of no particular queue
      this.#changedAt.set(item.id, this.#answers);
      this.#keep(item);
    }
    for (const group of this.#groups.values()) {
      group.judged ||= isJudgedBy(group, changes);
      group.isStale = true;
    }
    if (isUndo) this.onUndone(items.map(({ id }) => id), undone);
    const named = new Set(changes.flatMap(({ ids }) => ids));
    const copies = isUndo ? 0 : items.filter(({ id }) => !named.has(id)).length;
    if (copies) this.onCopies(copies);
    if (hasMissedSome) this.onForeignChange();
  }

  /** Which groups of a queue were fetched before something was saved, which may have judged them. */
  staleGroups(queue, ids) {
    return ids.filter((id) => this.#groups.get(`${queue} ${id}`)?.isStale);
  }

  #forgetOldest() {
    for (const id of [...this.#items.keys()].slice(0, MOST_ITEMS / 2)) this.#items.delete(id);
    for (const key of this.#entries.keys()) {
      if (!this.#items.has(Number(key.slice(key.lastIndexOf(" ") + 1)))) this.#entries.delete(key);
    }
  }
}

function isJudgedBy({ members }, changes) {
  const aboutGroups = changes.filter(({ kind }) => kind === "not_duplicate" || kind === "keep_copy");
  return aboutGroups.some(({ ids }) => members.every((id) => ids.includes(id)));
}
