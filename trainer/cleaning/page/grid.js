// The grid: every image of a queue as a card, many at once.

import { createCard, fillCard } from "./card.js";
import { moved, openSingle } from "./navigation.js";
import { watchGrid } from "./pointer.js";
import { VirtualGrid } from "./virtual.js";

const TEXT_HEIGHT_REM = 3.25; // of the lines under a thumbnail
const GAP_REM = 0.625;

export class GridView {
  /**
   * @param {HTMLElement} viewport  the list box
   * @param {object} app
   */
  constructor(viewport, app) {
    this.app = app;
    this.viewport = viewport;
    this.grid = new VirtualGrid(viewport, {
      measure: () => this.#measure(),
      create: () => createOption(),
      update: (cell, position) => this.#update(cell, position),
      onRange: (first, last) => this.app.browsing?.listing.show(first, last),
    });
    watchGrid(this.grid, {
      positionOf: (target) => Number(target.closest(".card")?.dataset.position ?? -1),
      onClick: (position, options) => this.#click(position, options),
      onDoubleClick: (position) => openSingle(this.app, position),
      onLongPress: (position) => this.#toggle(position),
      onRectangle: (positions, options) => this.#rectangle(positions, options),
    });
  }

  /** Show another listing. */
  open() {
    this.grid.reset(this.app.browsing.size);
    this.reveal();
  }

  /** Show what has changed. */
  render() {
    this.grid.layout();
    const { position, size } = this.app.browsing;
    const cell = this.grid.cell(position);
    if (cell && size) this.viewport.setAttribute("aria-activedescendant", cell.id);
    else this.viewport.removeAttribute("aria-activedescendant");
    this.viewport.classList.toggle("selecting", this.app.browsing.selected.size > 0);
  }

  /** Scroll to where the person is. */
  reveal() {
    this.grid.reveal(this.app.browsing.position);
    this.render();
  }

  focus() {
    this.viewport.focus({ preventScroll: true });
  }

  /** Positions to go by for a key; 0 if it is not one of movement. */
  step(key) {
    const { columns, rowsInView } = this.grid;
    const { position, size } = this.app.browsing;
    const rtl = getComputedStyle(this.viewport).direction === "rtl" ? -1 : 1;
    const steps = {
      ArrowLeft: -rtl, ArrowRight: rtl, ArrowUp: -columns, ArrowDown: columns,
      PageUp: -columns * rowsInView, PageDown: columns * rowsInView, Home: -position, End: size - 1 - position,
    };
    const step = steps[key] ?? 0;
    return Math.abs(step) === columns && !(position + step in this.app.browsing.listing.ids) ? 0 : step;
  }

  get range() {
    return this.grid.range;
  }

  #measure() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const width = this.app.thumbWidth;
    return { width, height: (cellWidth) => cellWidth * 0.8 + TEXT_HEIGHT_REM * rem, gap: GAP_REM * rem };
  }

  #update(cell, position) {
    const { browsing, context } = this.app;
    const id = browsing.listing.ids[position];
    cell.id = `card-${position}`;
    cell.dataset.position = position;
    cell.setAttribute("aria-posinset", position + 1);
    cell.setAttribute("aria-setsize", browsing.size);
    cell.setAttribute("aria-selected", browsing.selected.has(id));
    cell.classList.toggle("current", position === browsing.position);
    fillCard(cell, browsing.listing.at(position), context);
  }

  #click(position, { isExtending, isToggling, isTouch }) {
    const { browsing } = this.app;
    if (isExtending) browsing.extend(position);
    else if (isToggling || (isTouch && browsing.selected.size)) browsing.toggle(position);
    else if (isTouch) {
      openSingle(this.app, position);
      return;
    } else {
      browsing.go(position);
      browsing.clear();
    }
    this.focus();
    moved(this.app);
  }

  #toggle(position) {
    this.app.browsing.toggle(position);
    moved(this.app);
  }

  #rectangle(positions, { isAdding, isEnd }) {
    const { browsing } = this.app;
    this.before ??= isAdding ? [...browsing.selected] : [];
    browsing.selectAll(positions, this.before);
    if (isEnd) {
      this.before = null;
      if (positions.length) browsing.go(positions[0]);
      this.focus();
    }
    moved(this.app);
  }
}

function createOption() {
  const card = createCard();
  card.setAttribute("role", "option");
  return card;
}
