// The page: one store, one place where the person is, and the views that show it.

import { readAddress, writeAddress } from "./address.js";
import { Browsing } from "./browsing.js";
import { counted, sentence } from "./changes.js";
import { toggled } from "./commands.js";
import { DetailsCache } from "./details.js";
import { Finder } from "./finder.js";
import { showFinish } from "./finish.js";
import { GridView } from "./grid.js";
import { GroupsView } from "./groups.js";
import { Listing } from "./listing.js";
import { showPage } from "./screen.js";
import { nextQueue } from "./sidebar.js";
import { SingleView } from "./single.js";
import { Store } from "./store.js";

const QUICK = 9;
const CLASS_QUEUE = "class";

export class App {
  /** @param {Record<string, HTMLElement>} page  elements by their ids */
  constructor(page) {
    this.page = page;
    this.place = readAddress();
    this.browsing = null;
    this.problem = ""; // what went wrong last, as a sentence
    this.hasReachedEnd = false;
    this.thumbWidth = 0;
    this.store = new Store({
      onUndone: (ids) => this.#onUndone(ids),
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
    if (this.place.view === "single" && this.singleId !== undefined) return [this.singleId];
    if (this.place.view === "finish" || !this.browsing) return [];
    if (!this.isGroups) return this.browsing.targets;
    const group = this.groups.current;
    return group ? [this.groups.keeper(group)] : [];
  }

  /** The groups that a command is about. */
  get targetGroups() {
    return this.browsing.targets.map((id) => this.store.group(this.place.queue, id)).filter(Boolean);
  }

  /** The classes of the keys 1 to 9: the likeliest of the images that a command is about, then the latest ones. */
  get quickClasses() {
    const items = this.targets.slice(0, 200).map((id) => this.store.item(id)).filter(Boolean);
    const counts = new Map();
    for (const { proposal, likely } of items) {
      for (const [rank, label] of [proposal, ...likely].entries()) {
        if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1 / (1 + rank));
      }
    }
    const likeliest = [...counts].sort((a, b) => b[1] - a[1]).map(([label]) => label);
    const single = items.length === 1 ? [...items[0].likely] : likeliest;
    const { recent_classes: recent, classes } = this.store.state;
    return [...new Set([...single, ...recent, ...classes.slice(0, QUICK).map(({ name }) => name)])].slice(0, QUICK);
  }

  /** Go to a place: fetch its queue, and show it. */
  async openPlace(place, { isStep = false } = {}) {
    const known = place.queue && this.store.queue(place.queue);
    const queue = known ? place.queue : (nextQueue(this.store.state.queues, "") ?? this.store.state.queues[0]).name;
    this.place = { ...place, queue };
    this.hasReachedEnd = false;
    writeAddress(this.place, { isStep });
    const opened = this.place;
    this.page.main.setAttribute("aria-busy", "true");
    try {
      const listing = queue === CLASS_QUEUE && !place.label ? new Listing(this.store, this.place, []) : await Listing.open(this.store, this.place);
      if (this.place !== opened) return;
      await this.#show(listing);
    } catch (error) {
      this.problem = error.message;
      this.render();
    } finally {
      this.page.main.removeAttribute("aria-busy");
    }
  }

  async #show(listing) {
    this.browsing = new Browsing(listing);
    const { at, view } = this.place;
    const position = at === null ? -1 : listing.positionOf(at);
    await this.loadFirst(listing, Math.max(0, position));
    this.browsing.go(position >= 0 ? position : Math.max(0, listing.nextUnjudged(0)));
    if (view === "single" && !listing.size && this.place.neighbour === null) this.place = { ...this.place, view: "list" };
    if (view === "finish") showFinish(this.page, this);
    this.render();
    this.list.open();
    if (document.activeElement !== this.page.search) this.focus();
  }

  /** Fetch what is in view first, so that a person sees it at once, judged or not. */
  async loadFirst(listing, position) {
    const ids = listing.ids.slice(position, position + QUICK);
    await this.store.load(this.place.queue, ids);
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

  move(key, { isExtending = false } = {}) {
    if (this.place.view === "finish" || !this.browsing.size) return;
    if (this.place.view === "single") {
      this.step({ ArrowLeft: -1, ArrowUp: -1, PageUp: -1, ArrowRight: 1, ArrowDown: 1, PageDown: 1 }[key] ?? 0);
      return;
    }
    const to = this.browsing.position + this.list.step(key);
    if (isExtending && !this.isGroups) this.browsing.extend(to);
    else this.browsing.go(to);
    this.moved();
  }

  /** Go to the previous or next image while one is shown large. */
  step(by) {
    if (this.place.neighbour !== null || !by) return;
    this.browsing.go(this.browsing.position + by);
    this.moved();
  }

  toggleSelection() {
    if (this.place.view !== "list" || !this.browsing.size) return;
    this.browsing.toggle(this.browsing.position);
    this.moved();
  }

  selectAll() {
    if (this.place.view !== "list") return;
    this.browsing.selectAll(this.browsing.listing.ids.keys());
    const { size } = this.browsing.selected;
    this.announce(size < this.browsing.size ? `The first ${size.toLocaleString("en")} are selected; one action can change no more.`
      : `${counted(size, this.isGroups ? "group" : "image")} selected.`);
    this.moved();
  }

  /** Save changes as one action, say so, and go on to the next image. */
  judge(changes, { stays = false } = {}) {
    const wanted = changes.filter(({ ids }) => ids.length);
    if (!wanted.length) return;
    this.problem = "";
    const wasSelection = this.browsing.selected.size > 0;
    this.store.outbox.edit(wanted);
    this.announce(`${sentence(wanted)}.`);
    this.browsing.clear();
    if (!stays && this.place.neighbour === null && !(wasSelection && this.place.view === "list")) this.#advance();
    this.render();
  }

  toggleLabel(label) {
    const ids = this.targets;
    this.judge([toggled(ids.map((id) => this.store.item(id)), ids, label)], { stays: true });
  }

  undo() {
    const { can_undo: what } = this.store.state;
    if (!what && !this.store.outbox.size) {
      this.announce("There is nothing to undo.");
      return;
    }
    if (this.store.outbox.undo(() => this.store.state.undo_action)) this.announce("The last action, which was not saved, is dropped.");
    else this.announce(`Undone: ${what ?? "the last action"}.`);
  }

  #onUndone(ids) {
    const position = ids.map((id) => this.browsing.listing.positionOf(id)).filter((at) => at >= 0).sort((a, b) => a - b)[0];
    if (position === undefined || this.store.isGroups(this.place.queue)) return;
    this.hasReachedEnd = false;
    this.browsing.go(position);
    this.moved();
  }

  #advance() {
    const { browsing } = this;
    const { listing, position } = browsing;
    const after = listing.nextUnjudged(position + 1);
    const next = after >= 0 ? after : listing.nextUnjudged(0);
    if (next >= 0) browsing.go(next);
    else {
      this.hasReachedEnd = true;
      if (this.place.view === "single") this.back();
    }
    this.moved();
  }

  async loadItems(ids) {
    try {
      await this.store.load("everything", ids);
    } catch (error) {
      this.problem = error.message;
    }
  }

  /** Ask for a class, and show its images. */
  chooseClass() {
    this.finder.open({
      title: "Look at which class?",
      classes: this.store.state.classes,
      allowsNew: false,
      isToggle: false,
      onChoose: (name) => this.openQueue(CLASS_QUEUE, { label: name }),
      onClose: () => this.focus(),
    });
  }

  /** Narrow the list to the files that have a text in their names. */
  search(text) {
    return this.openPlace({ ...this.place, search: text, at: null, view: "list" });
  }

  focusSearch() {
    if (this.place.view !== "list" || this.isGroups) this.openQueue("everything");
    this.page.search.focus();
    this.page.search.select();
  }

  /** Show again what is in view: another page, or another process, has changed something. */
  async refresh() {
    this.details.forget();
    if (!this.browsing) return;
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
