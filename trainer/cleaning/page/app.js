// The page: one store, one place where the person is, and the views that show it.

import { firstPlace } from "./address.js";
import { counted } from "./changes.js";
import { DetailsCache } from "./details.js";
import { Finder } from "./finder.js";
import { GridView } from "./grid.js";
import { GroupsView } from "./groups.js";
import { showUndone } from "./judging.js";
import { openPlace } from "./navigation.js";
import { showPage } from "./screen.js";
import { SingleView } from "./single.js";
import { Store } from "./store.js";
import { targetsOf } from "./targets.js";

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
      onCopies: (count) => this.announce(`${this.page.said.textContent} ${counted(count, "exact copy")} changed with that.`),
      onForeignChange: () => this.refresh().catch((error) => {
        this.problem = error.message;
        this.render();
      }),
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
    await openPlace(this, this.place);
    if (!this.browsing) throw new Error(this.problem);
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

  /** The groups that a command is about; undefined for those that are not here yet. */
  get targetGroups() {
    return this.browsing.targets.map((id) => this.store.group(this.place.queue, id));
  }

  /** Fetch what is not here of some images, or groups. Returns whether all are here now. */
  async loadAll(ids) {
    try {
      await this.store.load(this.place.queue, ids);
      return true;
    } catch (error) {
      this.problem = error.message;
      this.render();
      return false;
    }
  }

  /** Show again what is in view: another page, another process, or work in the background has changed something. */
  async refresh() {
    this.details.forget();
    const { queue, search, unjudged, view } = this.place;
    const isNew = !this.browsing.size && this.store.queue(queue)?.count > 0 && !search && !unjudged;
    if (isNew) {
      await openPlace(this, this.place);
      return;
    }
    const [first, last] = this.list.range;
    await this.browsing.listing.refresh(first, last);
    const { current } = this.browsing;
    if (current !== undefined && view === "single") await this.store.load(queue, [current], { isRefresh: true });
  }

  /** Put the focus where the keys work. */
  focus() {
    const targets = { single: this.single, finish: this.page["finish-title"] };
    (targets[this.place.view] ?? this.list).focus();
  }

  /** The person has read what went wrong. */
  dismiss() {
    this.problem = "";
    this.render();
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
