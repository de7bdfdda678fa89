// What is listed: the ids of a queue in their order, as they were when it was opened. Its items come when they are shown.

import { getIds } from "./api.js";

const PAGE = 60; // items fetched at once
const AHEAD = 60; // items fetched before they are in view
const PAUSE_MS = 2000; // before what could not be fetched is asked for again

export class Listing {
  #positions = null; // id -> position
  #loading = new Set(); // first positions of pages
  #isRefreshing = false;

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./address.js").Place} place
   * @param {number[]} ids
   * @param {Set<number>} unjudged  those of them that nobody had judged
   */
  constructor(store, place, ids, unjudged) {
    Object.assign(this, { store, place, ids, unjudged, error: null });
  }

  /** Ask for the ids of a queue. */
  static async open(store, place) {
    const [ids, unjudged] = await Promise.all([getIds(place), getIds({ ...place, unjudged: true })]);
    return new Listing(store, place, ids, new Set(unjudged));
  }

  /** A listing without images. */
  static empty(store, place) {
    return new Listing(store, place, [], new Set());
  }

  get size() {
    return this.ids.length;
  }

  get isGroups() {
    return this.store.isGroups(this.place.queue);
  }

  /** The item, or group, at a position; undefined if it is not here yet. */
  at(position) {
    const id = this.ids[position];
    return this.isGroups ? this.store.group(this.place.queue, id) : this.store.item(id);
  }

  /** The position of an id; -1 if it is not listed. */
  positionOf(id) {
    this.#positions ??= new Map(this.ids.map((listed, position) => [listed, position]));
    return this.#positions.get(id) ?? -1;
  }

  /** Fetch what is missing between two positions, and a little around it. */
  show(first, last) {
    if (this.isGroups) this.#refreshStale(first, last);
    const from = Math.floor(Math.max(0, first - AHEAD / 2) / PAGE) * PAGE;
    for (let start = from; start < Math.min(this.size, last + AHEAD); start += PAGE) this.#loadPage(start);
  }

  async #loadPage(start) {
    if (this.#loading.has(start) || this.error) return;
    this.#loading.add(start);
    try {
      await this.store.load(this.place.queue, this.ids.slice(start, start + PAGE));
    } catch (error) {
      this.#pause(error);
    } finally {
      this.#loading.delete(start);
    }
  }

  async #refreshStale(first, last) {
    const stale = this.store.staleGroups(this.place.queue, this.ids.slice(first, last));
    if (!stale.length || this.#isRefreshing || this.store.outbox.size || this.error) return;
    this.#isRefreshing = true;
    await this.store.load(this.place.queue, stale, { isRefresh: true }).catch((error) => this.#pause(error));
    this.#isRefreshing = false;
    this.store.notify(); // some may have become stale meanwhile
  }

  /** After an error, ask for nothing for a while. */
  #pause(error) {
    this.error = error;
    this.store.notify();
    setTimeout(() => {
      this.error = null;
      this.store.notify();
    }, PAUSE_MS);
  }

  /** Fetch what is between two positions again. */
  refresh(first, last) {
    return this.store.load(this.place.queue, this.ids.slice(first, last), { isRefresh: true });
  }

  /** Where a person starts: at an id, if it is listed, else at the first one that is not judged. */
  startAt(id) {
    const position = id === null ? -1 : this.positionOf(id);
    return position >= 0 ? position : Math.max(0, this.nextUnjudged(0));
  }

  /** The next position from `start` on that is not judged; -1 if there is none. */
  nextUnjudged(start) {
    for (let position = start; position < this.size; position += 1) {
      if (!this.#isJudged(position)) return position;
    }
    return -1;
  }

  #isJudged(position) {
    const one = this.at(position);
    if (one === undefined) return !this.unjudged.has(this.ids[position]);
    return this.isGroups ? one.judged : one.status !== "none";
  }
}
