// Where a person is in a listing, and what is selected.

const MOST_IMAGES = 5000; // that one action may change
const MOST_GROUPS = 500;

export class Browsing {
  #anchor = 0; // position from which Shift selects

  constructor(listing) {
    this.listing = listing;
    this.position = 0;
    this.selected = new Set(); // ids
  }

  get size() {
    return this.listing.size;
  }

  /** The id at the position; undefined at the end of the listing. */
  get current() {
    return this.listing.ids[this.position];
  }

  /** The ids that an action is about: what is selected, else where the person is. */
  get targets() {
    const { listing, selected } = this;
    if (selected.size) return [...selected].sort((a, b) => listing.positionOf(a) - listing.positionOf(b));
    return this.current === undefined ? [] : [this.current];
  }

  /** Go to a position; what is selected stays so. */
  go(position) {
    this.position = this.#bounded(position);
    this.#anchor = this.position;
  }

  /** Go to a position, and select all from where Shift was first pressed. */
  extend(position) {
    const anchor = this.#anchor;
    this.position = this.#bounded(position);
    this.selected.clear();
    this.selectAll(range(anchor, this.position));
  }

  /** Select one, or no longer. */
  toggle(position) {
    this.go(position);
    const id = this.current;
    if (!this.selected.delete(id)) this.selected.add(id);
  }

  /** Select positions, in addition to those of `others` (ids). As many as one action may change. */
  selectAll(positions, others = []) {
    const most = this.listing.isGroups ? MOST_GROUPS : MOST_IMAGES;
    this.selected = new Set(others);
    for (const position of positions) {
      if (this.selected.size >= most) return;
      this.selected.add(this.listing.ids[position]);
    }
  }

  clear() {
    this.selected.clear();
  }

  #bounded(position) {
    return Math.max(0, Math.min(position, this.size - 1));
  }
}

function range(one, other) {
  const first = Math.min(one, other);
  return Array.from({ length: Math.abs(one - other) + 1 }, (_, index) => first + index);
}
