// What the page knows: the server's state, items and groups, and on top of them what is being saved.

import { ITEMS_A_REQUEST, getItems, getState } from "./api.js";
import { applied } from "./changes.js";
import { Outbox } from "./outbox.js";

const MOST_ITEMS = 8000; // kept in memory; others are fetched again if they are shown
const GROUPS = "groups";

export class Store {
  #items = new Map(); // id -> Item, as the server says
  #groups = new Map(); // `${queue} ${id}` -> Group with the ids of its members
  #changedAt = new Map(); // id -> number of the answer that changed it
  #answers = 0;
  #listeners = [];
  #isNotifying = false;

  /** @param {{onUndone: (ids: number[]) => void, onRefused: (error: Error) => void}} options */
  constructor({ onUndone, onRefused }) {
    this.state = null; // State of the server
    this.onUndone = onUndone;
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

  /** An item as it is shown: with what is being saved. Undefined if it is not here yet. */
  item(id) {
    const item = this.#items.get(id);
    if (!item) return undefined;
    return this.outbox.changes.reduce((before, change) => (change.ids.includes(id) ? applied(before, change) : before), item);
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
    const has = this.isGroups(queue) ? (id) => this.#groups.has(`${queue} ${id}`) : (id) => this.#items.has(id);
    const wanted = isRefresh ? ids : ids.filter((id) => !has(id));
    for (let start = 0; start < wanted.length; start += ITEMS_A_REQUEST) {
      const answers = this.#answers;
      this.put(queue, await getItems(queue, wanted.slice(start, start + ITEMS_A_REQUEST)), answers);
    }
    if (wanted.length) this.notify();
  }

  /** Keep what the server gave; what was changed after it was asked for stays. */
  put(queue, given, answers = this.#answers) {
    for (const one of given) {
      if ("members" in one) {
        this.#groups.set(`${queue} ${one.id}`, { ...one, members: one.members.map(({ id }) => id) });
        this.put(queue, one.members, answers);
      } else if (!((this.#changedAt.get(one.id) ?? 0) > answers)) {
        this.#items.delete(one.id); // so that it is the newest one
        this.#items.set(one.id, one);
      }
    }
    if (this.#items.size > MOST_ITEMS) this.#forgetOldest();
  }

  /** Ask for the state. Returns whether another page has changed something since. */
  async refreshState() {
    const before = this.state?.version;
    const state = await getState();
    if (this.outbox.size) return false; // its answer will bring a newer one
    this.state = state;
    if (state.version === before) return false;
    this.notify();
    return true;
  }

  /** The answers so far, to give to `put` with what is asked for now. */
  get answers() {
    return this.#answers;
  }

  #onSaved({ items, state }, { isUndo, changes }) {
    this.#answers += 1;
    for (const item of items) this.#changedAt.set(item.id, this.#answers);
    this.state = state;
    this.put("", items);
    for (const group of this.#groups.values()) {
      group.judged ||= isJudgedBy(group, changes);
      group.isStale = true;
    }
    if (isUndo) this.onUndone(items.map(({ id }) => id));
  }

  /** Which groups of a queue were fetched before something was saved, which may have judged them. */
  staleGroups(queue, ids) {
    return ids.filter((id) => this.#groups.get(`${queue} ${id}`)?.isStale);
  }

  #forgetOldest() {
    for (const id of [...this.#items.keys()].slice(0, MOST_ITEMS / 2)) this.#items.delete(id);
  }
}

function isJudgedBy({ members }, changes) {
  return changes.some(({ kind, ids }) => ["not_duplicate", "keep_copy"].includes(kind) && members.every((id) => ids.includes(id)));
}
