// The page: one store, one place where the person is, and the views that show it.

import { firstPlace, readAddress, writeAddress } from "./address.js";
import { Browsing } from "./browsing.js";
import { DetailsCache } from "./details.js";
import { Finder } from "./finder.js";
import { showFinish } from "./finish.js";
import { GridView } from "./grid.js";
import { GroupsView } from "./groups.js";
import { showUndone } from "./judging.js";
import { Listing } from "./listing.js";
import { showPage } from "./screen.js";
import { nextQueue } from "./sidebar.js";
import { SingleView } from "./single.js";
import { Store } from "./store.js";
import { targetsOf } from "./targets.js";

const FIRST = 30; // images fetched before a queue is shown
const CLASS_QUEUE = "class";

export class App {
  /** @param {Record<string, HTMLElement>} page  elements by their ids */
  constructor(page) {
    this.page = page;
    this.place = firstPlace();
    this.browsing = null;
    this.opening = null; // a promise, while another place is fetched
    this.wanted = null; // that place
    this.problem = ""; // what went wrong last, as a sentence
    this.hasReachedEnd = false;
    this.thumbWidth = 0;
    this.store = new Store({
      onUndone: (ids, what) => showUndone(this, ids, what),
      onForeignChange: () => this.refresh(),
      onRefused: (error) => { this.problem = `Nothing was changed. ${error.message}`; },
    });
    this.details = new DetailsCache(this.store);
    this.finder = new Finder(page);
    this.grid = new GridView(page.grid, this);
    this.groups = new GroupsView(page.groups, this);
    this.single = new SingleView(page, this);
    this.store.onChange(() => this.render());
  }

  /** Open what the address says. */
  async start() {
    await this.store.refreshState();
    await this.openPlace(this.place);
  }

  get isGroups() {
    return this.place.view === "list" && this.store.isGroups(this.place.queue);
  }

  /** What cards need to know besides their image. */
  get context() {
    return { queue: this.place.queue, isMultilabel: this.store.isMultilabel };
  }

  get list() {
    return this.store.isGroups(this.place.queue) ? this.groups : this.grid;
  }

  /** The id of the image that is shown large. */
  get singleId() {
    return this.place.neighbour ?? this.browsing.current;
  }

  /** Ids of the images that a command is about. */
  get targets() {
    return targetsOf(this);
  }

  /** An image as it is shown now. */
  item(id) {
    return this.store.item(id, { isSingle: this.place.view === "single" });
  }

  /** The groups that a command is about. */
  get targetGroups() {
    return this.browsing.targets.map((id) => this.store.group(this.place.queue, id)).filter(Boolean);
  }

  /**
   * Go to a place: fetch its queue, then show it. Until then the person is where they were.
   *
   * @returns {Promise<void>}  is settled when it is shown, or cannot be
   */
  openPlace(wanted, { isStep = false } = {}) {
    const known = wanted.queue && this.store.queue(wanted.queue);
    const queue = known ? wanted.queue : (nextQueue(this.store.state.queues, "") ?? this.store.state.queues[0]).name;
    const place = { ...wanted, queue };
    this.wanted = place;
    this.page.main.setAttribute("aria-busy", "true");
    const opening = this.#fetch(place).then((listing) => {
      if (this.opening === opening) this.#show(place, listing, isStep);
    }).catch((error) => {
      this.problem = error.message;
      this.render();
    }).finally(() => {
      if (this.opening !== opening) return; // another one was opened meanwhile
      this.opening = this.wanted = null;
      this.page.main.removeAttribute("aria-busy");
    });
    this.opening = opening;
    return opening;
  }

  /** The listing of a place, with what is shown of it first. */
  async #fetch(place) {
    await this.store.outbox.whenIdle(); // what is being saved may belong to it, or no longer
    const isNowhere = place.queue === CLASS_QUEUE && !place.label;
    const listing = await (isNowhere ? Listing.empty : Listing.open)(this.store, place);
    const start = listing.startAt(place.at);
    await this.store.load(place.queue, listing.ids.slice(start, start + FIRST));
    return listing;
  }

  #show(place, listing, isStep) {
    const hasImage = listing.size || place.neighbour !== null;
    this.place = place.view === "single" && !hasImage ? { ...place, view: "list" } : place;
    this.store.present = place.queue;
    this.hasReachedEnd = false;
    this.browsing = new Browsing(listing);
    this.browsing.go(listing.startAt(place.at));
    writeAddress(this.place, { isStep });
    if (this.place.view === "finish") showFinish(this.page, this);
    this.render();
    this.list.open();
    if (document.activeElement !== this.page.search) this.focus();
  }

  /** Go where the browser's history leads. */
  openAddress() {
    const place = readAddress();
    const isHere = ["queue", "label", "search", "unjudged"].every((name) => place[name] === this.place[name]);
    if (!isHere || !this.browsing) {
      this.page.search.value = place.search;
      this.openPlace(place);
      return;
    }
    this.place = { ...place, at: this.browsing.current ?? null };
    if (place.view === "finish") showFinish(this.page, this);
    this.render();
    if (place.view === "list") this.list.reveal();
    this.focus();
  }

  openQueue(name, { label = "", search = "" } = {}) {
    this.page.search.value = search;
    const { unjudged } = this.place;
    return this.openPlace({ queue: name, label, search, unjudged, at: null, view: "list", neighbour: null }, { isStep: true });
  }

  openNextQueue() {
    const next = nextQueue(this.store.state.queues, this.place.queue);
    if (next) this.openQueue(next.name);
    else this.openFinish();
  }

  openFinish() {
    this.#setView({ view: "finish", neighbour: null }, { isStep: true });
    showFinish(this.page, this);
    this.focus();
  }

  openSingle(position) {
    this.browsing.go(position);
    this.browsing.clear();
    this.#setView({ view: "single", neighbour: null }, { isStep: true });
    this.focus();
  }

  /** Show an image that need not be in the queue; "back" leads to where the person was. */
  openNeighbour(id) {
    this.#setView({ view: "single", neighbour: id }, { isStep: true });
    this.focus();
  }

  openCurrent() {
    if (this.isGroups) this.openNeighbour(this.targets[0]);
    else if (this.place.view === "list" && this.browsing.size) this.openSingle(this.browsing.position);
  }

  back() {
    const { view, neighbour } = this.place;
    if (neighbour !== null && !this.store.isGroups(this.place.queue)) this.#setView({ neighbour: null });
    else if (view !== "list") {
      this.#setView({ view: "list", neighbour: null });
      this.list.reveal();
    } else this.browsing.clear();
    this.render();
    this.focus();
  }

  #setView(change, { isStep = false } = {}) {
    this.place = { ...this.place, ...change, at: this.browsing?.current ?? null };
    writeAddress(this.place, { isStep });
    this.render();
  }

  /** The person went elsewhere in the list, or selected something. */
  moved() {
    this.place = { ...this.place, at: this.browsing.current ?? null };
    writeAddress(this.place);
    this.list.reveal();
    this.render();
  }

  /** Fetch what is not here of some images. */
  async loadItems(ids) {
    try {
      await this.store.load(this.place.queue, ids);
    } catch (error) {
      this.problem = error.message;
    }
  }

  /** Narrow the list to the files that have a text in their names. */
  search(text) {
    return this.openPlace({ ...this.place, search: text, at: null, view: "list" });
  }

  async focusSearch() {
    if (this.place.view !== "list" || this.isGroups) await this.openQueue("everything");
    this.page.search.focus();
    this.page.search.select();
  }

  /** Show again what is in view: another page, another process, or work in the background has changed something. */
  async refresh() {
    this.details.forget();
    const isNew = !this.browsing.size && this.store.queue(this.place.queue)?.count > 0 && !this.place.search && !this.place.unjudged;
    if (isNew) {
      await this.openPlace(this.place);
      return;
    }
    const [first, last] = this.list.range;
    await this.browsing.listing.refresh(first, last);
    const { current } = this.browsing;
    if (current !== undefined && this.place.view === "single") await this.store.load(this.place.queue, [current], { isRefresh: true });
  }

  /** Put the focus where the keys work. */
  focus() {
    const target = { single: this.single, finish: { focus: () => this.page["finish-title"].focus() } }[this.place.view] ?? this.list;
    target.focus();
  }

  /** Say what has happened: on the page, and to screen readers. */
  announce(text) {
    this.page.said.textContent = text;
  }

  render() {
    if (!this.store.state || !this.browsing) return;
    showPage(this.page, this);
    this.finder.render();
    if (this.place.view === "list") this.list.render();
    if (this.place.view === "single") {
      this.single.render();
      this.#prefetch();
    }
  }

  #prefetch() {
    const { position, listing } = this.browsing;
    for (const near of [position + 1, position + 2, position - 1]) {
      if (!listing.isGroups) this.details.prefetch(listing.ids[near]);
    }
  }
}
