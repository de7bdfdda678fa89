// A scrolling grid of any number of cells. Only those in view, and a few rows around them, are in the document.

const ROWS_AROUND = 2;

export class VirtualGrid {
  #cells = new Map(); // position -> element
  #spare = [];
  #frame = 0;

  /**
   * @param {HTMLElement} viewport  scrolls; it has a size of its own
   * @param {object} options
   * @param {() => {width: number, height: (width: number) => number, gap: number, isSingleColumn?: boolean}} options.measure
   *     the smallest width of a cell, its height for a width, and the space between cells, in CSS pixels
   * @param {() => HTMLElement} options.create  makes an empty cell
   * @param {(cell: HTMLElement, position: number) => void} options.update  fills a cell
   * @param {(first: number, last: number) => void} options.onRange  positions in view have changed
   */
  constructor(viewport, { measure, create, update, onRange }) {
    Object.assign(this, { viewport, measure, create, update, onRange, size: 0, columns: 1 });
    this.space = document.createElement("div");
    this.space.className = "space";
    this.space.setAttribute("role", "presentation");
    viewport.append(this.space);
    viewport.addEventListener("scroll", () => this.#schedule(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(viewport);
  }

  /** Show this many cells, from the top. */
  reset(size) {
    this.size = size;
    this.viewport.scrollTop = 0;
    this.layout();
  }

  /** Compute the columns again, keeping the first cell in view where it is. */
  layout() {
    const { width, height, gap, isSingleColumn } = this.measure();
    const style = getComputedStyle(this.viewport);
    const inner = this.viewport.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (inner <= 0) return;
    const first = this.rowHeight ? Math.floor(this.viewport.scrollTop / this.rowHeight) * this.columns : 0;
    this.columns = isSingleColumn ? 1 : Math.max(1, Math.floor((inner + gap) / (width + gap)));
    this.cellWidth = (inner - gap * (this.columns - 1)) / this.columns;
    this.cellHeight = height(this.cellWidth);
    this.gap = gap;
    const before = this.rowHeight;
    this.rowHeight = this.cellHeight + gap;
    this.space.style.height = `${Math.max(0, Math.ceil(this.size / this.columns) * this.rowHeight - gap)}px`;
    if (before && before !== this.rowHeight) this.viewport.scrollTop = Math.floor(first / this.columns) * this.rowHeight;
    this.render();
  }

  /** The first position in view, and the one after the last. */
  get range() {
    const top = this.viewport.scrollTop;
    const first = Math.floor(top / this.rowHeight) * this.columns;
    const last = Math.ceil((top + this.viewport.clientHeight) / this.rowHeight) * this.columns;
    return [Math.min(first, this.size), Math.min(last, this.size)];
  }

  /** How many rows are in view. */
  get rowsInView() {
    return Math.max(1, Math.floor(this.viewport.clientHeight / this.rowHeight));
  }

  /** Fill the cells that are in view. */
  render() {
    if (!this.rowHeight || !this.viewport.offsetParent) return; // it is hidden: another listing may be shown elsewhere
    const [first, last] = this.range;
    const from = Math.max(0, first - ROWS_AROUND * this.columns);
    const to = Math.min(this.size, last + ROWS_AROUND * this.columns);
    for (const [position, cell] of this.#cells) {
      if (position >= from && position < to) continue;
      this.#cells.delete(position);
      cell.remove();
      this.#spare.push(cell);
    }
    for (let position = from; position < to; position += 1) this.update(this.#cellAt(position), position);
    this.onRange(first, last);
  }

  /** The element of a position, if it is in the document. */
  cell(position) {
    return this.#cells.get(position);
  }

  /** Scroll as little as is needed to see a position. */
  reveal(position) {
    if (!this.rowHeight || position < 0) return;
    const top = Math.floor(position / this.columns) * this.rowHeight;
    const { scrollTop, clientHeight } = this.viewport;
    if (top < scrollTop) this.viewport.scrollTop = top;
    else if (top + this.cellHeight > scrollTop + clientHeight) {
      this.viewport.scrollTop = Math.min(top, top + this.cellHeight - clientHeight + this.gap);
    }
    this.render();
  }

  /** Positions of the cells that a rectangle touches, given in pixels of the scrolled space. */
  positionsIn({ left, top, right, bottom }) {
    const columnWidth = this.cellWidth + this.gap;
    const firstColumn = Math.max(0, Math.floor((left + this.gap) / columnWidth));
    const lastColumn = Math.min(this.columns - 1, Math.floor(right / columnWidth));
    const firstRow = Math.max(0, Math.floor((top + this.gap) / this.rowHeight));
    const lastRow = Math.min(Math.ceil(this.size / this.columns) - 1, Math.floor(bottom / this.rowHeight));
    const positions = [];
    for (let row = firstRow; row <= lastRow; row += 1) {
      for (let column = firstColumn; column <= lastColumn; column += 1) {
        const position = row * this.columns + column;
        if (position < this.size) positions.push(position);
      }
    }
    return positions;
  }

  #cellAt(position) {
    let cell = this.#cells.get(position);
    if (!cell) {
      cell = this.#spare.pop() ?? this.create();
      this.#cells.set(position, cell);
      this.space.append(cell);
    }
    const row = Math.floor(position / this.columns);
    const x = (position % this.columns) * (this.cellWidth + this.gap);
    cell.style.transform = `translate(${x}px, ${row * this.rowHeight}px)`;
    cell.style.width = `${this.cellWidth}px`;
    cell.style.height = `${this.cellHeight}px`;
    return cell;
  }

  #schedule() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.render());
  }
}
