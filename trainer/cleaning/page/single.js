// One image at a time: large, with what the model thinks, its neighbours, and where it comes from.

import { heatmapUrl, photoUrl } from "./api.js";
import { createCard, fillCard, labelText, percent, proposalText, showImage } from "./card.js";
import { STATUS_TEXTS } from "./changes.js";
import { element } from "./element.js";
import { toggleLabel } from "./judging.js";
import { openNeighbour } from "./navigation.js";
import { watchSwipes } from "./pointer.js";
import { quickClasses } from "./targets.js";
import { Zoom } from "./zoom.js";

const KILOBYTE = 1000;
const MISSING = "This image cannot be shown: its file was changed, moved or is damaged.";

export class SingleView {
  #missingHeatmap = ""; // its address; the model does not know a class that is new
  #heatmapLabel = null; // class whose heatmap is wanted; null for the first one

  /** @param {Record<string, HTMLElement>} page  elements by their ids */
  constructor(page, app) {
    this.page = page;
    this.app = app;
    page.back.addEventListener("click", () => app.run("back"));
    page.previous.addEventListener("click", () => app.run("previous"));
    page.next.addEventListener("click", () => app.run("next"));
    page.heatmap.addEventListener("change", () => this.render());
    page.photo.addEventListener("error", () => this.#showMissing(true));
    page.photo.addEventListener("load", () => this.#showMissing(false));
    page["heatmap-image"].addEventListener("error", () => {
      this.#missingHeatmap = page["heatmap-image"].getAttribute("src");
      this.render();
    });
    this.zoom = new Zoom(page["photo-frame"]);
    watchSwipes(page.stage, (direction) => app.run(direction < 0 ? "previous" : "next"));
  }

  /** Show the image with this id; undefined: the queue is at its end. */
  render() {
    const { page, app } = this;
    const id = app.singleId;
    const details = id === undefined ? undefined : app.details.get(id);
    const item = id === undefined ? undefined : app.item(id) ?? details;
    this.#showPlace(id);
    page["single-body"].classList.toggle("loading", item === undefined);
    if (item === undefined) return;
    if (this.shown !== id) this.#startImage(id);
    showImage(page.photo, photoUrl(item));
    page.photo.alt = `The image ${item.path}`;
    page["single-body"].dataset.status = item.status;
    page["photo-missing"].textContent = app.details.error(id)?.message ?? MISSING;
    this.#showLabels(item);
    this.#showClasses(item, details);
    this.#showHeatmap(item);
    this.#showFacts(item, details);
    this.#showNeighbours(details);
  }

  /** Turn the heatmap on or off. */
  toggleHeatmap() {
    if (this.page["heatmap-switch"].hidden) return;
    this.page.heatmap.checked = !this.page.heatmap.checked;
    this.render();
  }

  focus() {
    this.page.single.focus({ preventScroll: true });
  }

  #startImage(id) {
    this.shown = id;
    this.#heatmapLabel = null;
    this.zoom.off();
    this.page["single-view"].scrollTop = 0;
  }

  #showPlace(id) {
    const { page, app } = this;
    const { position, size } = app.browsing;
    const isNeighbour = app.place.neighbour !== null;
    const [number, all] = [position + 1, size].map((count) => count.toLocaleString("en"));
    page.place.textContent = isNeighbour ? "A similar image" : `${number} of ${all}`;
    page.file.textContent = (id === undefined ? undefined : app.store.item(id))?.path ?? "";
    page.previous.disabled = isNeighbour || position === 0;
    page.next.disabled = isNeighbour || position + 1 >= size;
  }

  #showLabels(item) {
    const { page, app } = this;
    const was = item.status === "relabelled" ? ` (was ${labelText(item.original_labels)})` : "";
    if (app.store.isMultilabel) {
      page.labels.replaceChildren(...item.labels.map((label) => this.#labelToggle(label)),
        ...(item.labels.length ? [] : [element("span", "none", "no label")]));
    } else {
      page.labels.replaceChildren(element("bdi", "", labelText(item.labels)));
    }
    page.status.textContent = item.status === "none" ? "" : `${STATUS_TEXTS[item.status]}${was}`;
    const proposal = proposalText(item, app.context);
    page.proposal.hidden = !proposal;
    page["proposal-text"].textContent = proposal;
    page["proposal-percent"].textContent = proposal && item.probability !== null ? percent(item.probability) : "";
    page.reason.textContent = item.reason ?? "";
  }

  #labelToggle(label) {
    const button = element("button", "chip", element("bdi", "", label), element("span", "cross", "×"));
    button.type = "button";
    button.setAttribute("aria-label", `Take ${label} away`);
    button.addEventListener("click", () => {
      toggleLabel(this.app, label);
      this.focus(); // the button goes
    });
    return button;
  }

  /** The classes of the keys 1 to 9, with the model's probabilities. */
  #showClasses(item, details) {
    const { page, app } = this;
    const probabilities = new Map((details?.predictions ?? []).map(({ label, probability }) => [label, probability]));
    const classes = quickClasses(app);
    while (page.classes.children.length < classes.length) page.classes.append(this.#classRow(page.classes.children.length));
    while (page.classes.children.length > classes.length) page.classes.lastChild.remove();
    for (const [index, label] of classes.entries()) {
      const { button, name, number, bar } = page.classes.children[index].parts;
      name.textContent = label;
      button.setAttribute("aria-pressed", item.labels.includes(label));
      const probability = probabilities.get(label);
      number.textContent = probability === undefined ? "" : percent(probability);
      bar.style.setProperty("--fraction", probability ?? 0);
    }
  }

  #classRow(index) {
    const name = element("bdi", "name");
    const number = element("span", "number");
    const bar = element("span", "bar");
    const button = element("button", "class", element("kbd", "", String(index + 1)), name, number, bar);
    button.type = "button";
    button.addEventListener("click", () => this.app.run(String(index + 1)));
    for (const kind of ["pointerenter", "focus"]) button.addEventListener(kind, () => this.#pointAt(name.textContent));
    const row = element("li", "", button);
    row.parts = { button, name, number, bar };
    return row;
  }

  #pointAt(label) {
    this.#heatmapLabel = label;
    if (this.page.heatmap.checked) this.render();
  }

  #showHeatmap(item) {
    const { page, app } = this;
    page["heatmap-switch"].hidden = !app.store.state.has_heatmaps;
    const label = this.#heatmapLabel ?? item.proposal ?? item.likely[0] ?? item.labels[0];
    const isShown = app.store.state.has_heatmaps && page.heatmap.checked && label !== undefined;
    const url = isShown ? heatmapUrl(item, label) : "";
    const isMissing = isShown && url === this.#missingHeatmap;
    page["heatmap-image"].hidden = !isShown || isMissing;
    const caption = isMissing ? "There is no heatmap for" : "Brighter areas count more for";
    page["heatmap-caption"].textContent = isShown ? `${caption} “${label}”.` : "";
    if (isShown) showImage(page["heatmap-image"], url);
  }

  #showFacts(item, details) {
    const { page, app } = this;
    const facts = [["Split", item.split]];
    if (details?.width) facts.push(["Size", `${details.width} × ${details.height} pixels, ${size(details.bytes)}`]);
    for (const found of details?.found ?? []) facts.push(["Check", found]);
    const others = (details?.queues ?? []).filter((name) => name !== app.place.queue && app.store.queue(name));
    if (others.length) facts.push(["Also in", others.map((name) => app.store.queue(name).title).join(", ")]);
    const pair = ([term, text]) => [element("dt", "", term), element("dd", "", element("bdi", "", text))];
    page.facts.replaceChildren(...facts.flatMap(pair));
  }

  #showNeighbours(details) {
    const { neighbours } = this.page;
    const shown = details?.neighbours ?? [];
    this.page["neighbours-part"].hidden = !shown.length;
    while (neighbours.children.length < shown.length) neighbours.append(this.#neighbour());
    while (neighbours.children.length > shown.length) neighbours.lastChild.remove();
    for (const [index, neighbour] of shown.entries()) {
      const button = neighbours.children[index].firstChild;
      const item = { ...neighbour, ...this.app.store.item(neighbour.id) };
      button.dataset.id = neighbour.id;
      fillCard(button, { ...item, proposal: null }, this.app.context);
      const alike = `similarity ${neighbour.similarity.toFixed(2)}`;
      if (!button.parts.proposal.textContent) button.parts.proposal.textContent = alike;
      button.setAttribute("aria-label", `Open ${button.getAttribute("aria-label")}; ${alike}`);
    }
  }

  #neighbour() {
    const card = createCard();
    const button = element("button", "card", ...card.childNodes);
    button.type = "button";
    button.parts = card.parts;
    button.addEventListener("click", () => openNeighbour(this.app, Number(button.dataset.id)));
    return element("li", "", button);
  }

  #showMissing(isMissing) {
    this.page["photo-missing"].hidden = !isMissing;
    this.page.photo.classList.toggle("missing", isMissing);
  }
}

function size(bytes) {
  return bytes < KILOBYTE * KILOBYTE ? `${Math.ceil(bytes / KILOBYTE)} kB` : `${(bytes / KILOBYTE ** 2).toFixed(1)} MB`;
}
