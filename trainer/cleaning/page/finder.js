// Finds a class by its name, or makes a new one: type, choose with the arrows, Enter.

import { counted } from "./changes.js";
import { element } from "./element.js";
import { searchable } from "./names.js";

const MOST_SHOWN = 100;

/**
 * Classes that fit what was typed, the best first: names that start with it, then words that do, then the rest.
 *
 * @param {{name: string}[]} classes
 * @param {string} text
 */
export function matching(classes, text) {
  const wanted = searchable(text);
  const rank = (name) => {
    const at = searchable(name).indexOf(wanted);
    if (at <= 0) return at;
    return searchable(name).includes(` ${wanted}`) ? 1 : 2;
  };
  return classes.map((one) => ({ one, rank: rank(one.name) })).filter(({ rank: found }) => found >= 0)
    .sort((a, b) => a.rank - b.rank).map(({ one }) => one);
}

export class Finder {
  #choices = []; // {name, isNew}
  #active = 0;
  #options = null;

  /** @param {Record<string, HTMLElement>} page  elements by their ids */
  constructor(page) {
    this.page = page;
    page["finder-text"].addEventListener("input", () => this.#filter());
    page["finder-text"].addEventListener("keydown", (event) => this.#onKey(event));
    page["finder-list"].addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.#choose(Number(option.dataset.index));
    });
    page.finder.addEventListener("click", ({ target }) => { if (target === page.finder) this.#close(); });
    page.finder.addEventListener("close", () => this.#options?.onClose());
  }

  /**
   * Ask for a class.
   *
   * @param {object} options
   * @param {string} options.title
   * @param {{name: string, count: number}[]} options.classes  in the order in which they are shown at first
   * @param {boolean} options.allowsNew  whether a class that is not there may be made
   * @param {boolean} options.isToggle  whether to stay open: each choice is one more toggle
   * @param {() => string[]} options.chosen  labels that are marked
   * @param {(name: string) => void} options.onChoose
   * @param {() => void} options.onClose
   */
  open(options) {
    const { page } = this;
    this.#options = options;
    page["finder-title"].textContent = options.title;
    page["finder-text"].value = "";
    page["finder-hint"].hidden = !options.isToggle;
    page.finder.showModal();
    page["finder-text"].focus();
    this.#filter();
  }

  /** Show again which classes are marked. */
  render() {
    if (this.page.finder.open) this.#show();
  }

  #filter() {
    const { classes, allowsNew } = this.#options;
    const text = this.page["finder-text"].value.trim();
    const found = text ? matching(classes, text) : classes;
    this.#choices = found.slice(0, MOST_SHOWN).map(({ name, count }) => ({ name, note: counted(count, "image") }));
    if (allowsNew && text && !classes.some(({ name }) => name === text)) {
      this.#choices.push({ name: text, note: "new class", isNew: true });
    }
    this.#active = 0;
    const rest = found.length - MOST_SHOWN;
    this.page["finder-count"].textContent = rest > 0 ? `and ${rest.toLocaleString("en")} more: type to find them`
      : this.#choices.length ? "" : "No class has this in its name.";
    this.#show();
  }

  #show() {
    const { page } = this;
    const marked = new Set(this.#options.chosen?.() ?? []);
    page["finder-list"].replaceChildren(...this.#choices.map(({ name, note, isNew }, index) => {
      const text = isNew ? element("span", "", "new class ", element("bdi", "new-name", name)) : element("bdi", "", name);
      const tick = element("span", "tick", marked.has(name) ? "✓" : "");
      const option = element("li", "", tick, text, element("span", "note", isNew ? "" : note));
      option.id = `choice-${index}`;
      option.dataset.index = index;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", index === this.#active);
      return option;
    }));
    page["finder-list"].hidden = !this.#choices.length;
    this.#mark();
  }

  #mark() {
    const { page } = this;
    const options = page["finder-list"].children;
    for (const [index, option] of [...options].entries()) option.setAttribute("aria-selected", index === this.#active);
    options[this.#active]?.scrollIntoView({ block: "nearest" });
    if (options.length) page["finder-text"].setAttribute("aria-activedescendant", `choice-${this.#active}`);
    else page["finder-text"].removeAttribute("aria-activedescendant");
  }

  #onKey(event) {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#choices.length) {
      this.#active = (this.#active + step + this.#choices.length) % this.#choices.length;
      this.#mark();
      event.preventDefault();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#choose(this.#active);
    } else if (event.key === "Escape") { // at once: the browser does it later, and the next key would come here
      event.preventDefault();
      this.#close();
    }
  }

  #choose(index) {
    const choice = this.#choices[index];
    if (!choice) return;
    const { isToggle, onChoose } = this.#options;
    if (!isToggle) this.#close();
    onChoose(choice.name);
    if (isToggle) {
      this.page["finder-text"].select();
      this.#show();
    }
  }

  /** Close, and put the focus where the next key belongs: the event "close" comes later. */
  #close() {
    this.page.finder.close();
    this.#options.onClose();
  }
}
