// Duplicates: one group a row, its copies side by side. The copy where the person is, is the one that would stay.

import { createCard, fillCard } from "./card.js";
import { counted } from "./changes.js";
import { element } from "./element.js";
import { VirtualGrid } from "./virtual.js";

const ROW_HEIGHT_REM = 16.5;
const GAP_REM = 0.875;

export class GroupsView {
  #chosen = new Map(); // id of a group -> id of the copy that would stay

  constructor(viewport, app) {
    this.app = app;
    this.viewport = viewport;
    this.list = new VirtualGrid(viewport, {
      measure: () => this.#measure(),
      create: () => createRow(),
      update: (row, position) => this.#update(row, position),
      onRange: (first, last) => this.app.browsing?.listing.show(first, last),
    });
    viewport.addEventListener("click", (event) => this.#click(event));
    viewport.addEventListener("dblclick", (event) => {
      const member = event.target.closest(".card");
      if (member) this.app.openNeighbour(Number(member.dataset.id));
    });
  }

  open() {
    this.#chosen.clear();
    this.list.reset(this.app.browsing.size);
    this.reveal();
  }

  render() {
    this.list.layout();
    const group = this.current;
    if (group) this.viewport.setAttribute("aria-activedescendant", memberId(group.id, this.keeper(group)));
    else this.viewport.removeAttribute("aria-activedescendant");
  }

  reveal() {
    this.list.reveal(this.app.browsing.position);
    this.render();
    const group = this.current;
    if (group) document.getElementById(memberId(group.id, this.keeper(group)))?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  focus() {
    this.viewport.focus({ preventScroll: true });
  }

  /** The group where the person is. */
  get current() {
    return this.app.browsing.listing.at(this.app.browsing.position);
  }

  get range() {
    return this.list.range;
  }

  /** The copy of a group that would stay: what was chosen, else what is proposed. */
  keeper(group) {
    return this.#chosen.get(group.id) ?? group.keeper;
  }

  /** Groups to go by for a key. Left and right choose the copy that stays. */
  step(key) {
    const { position, size } = this.app.browsing;
    const group = this.current;
    const along = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (along && group) {
      const ids = group.members.map(({ id }) => id);
      const next = ids.indexOf(this.keeper(group)) + along;
      if (next in ids) this.#chosen.set(group.id, ids[next]);
      return 0;
    }
    return { ArrowUp: -1, ArrowDown: 1, PageUp: -3, PageDown: 3, Home: -position, End: size - 1 - position }[key] ?? 0;
  }

  #measure() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return { width: 1, height: () => ROW_HEIGHT_REM * rem, gap: GAP_REM * rem, isSingleColumn: true };
  }

  #update(row, position) {
    const { browsing, context } = this.app;
    const group = browsing.listing.at(position);
    row.classList.toggle("current", position === browsing.position);
    row.classList.toggle("selected", browsing.selected.has(browsing.listing.ids[position]));
    row.dataset.position = position;
    const { heading, status, strip } = row.parts;
    heading.textContent = group ? `${counted(group.members.length, "image")}. ${group.reason ?? ""}` : "";
    status.textContent = group?.judged ? "✓ decided" : "";
    row.setAttribute("aria-label", `Group ${position + 1} of ${browsing.size}. ${heading.textContent} ${status.textContent}`);
    row.classList.toggle("judged", Boolean(group?.judged));
    const members = group?.members ?? [];
    while (strip.children.length < members.length) strip.append(createMember());
    while (strip.children.length > members.length) strip.lastChild.remove();
    for (const [index, member] of members.entries()) this.#updateMember(strip.children[index], member, group, context);
  }

  #updateMember(card, member, group, context) {
    const stays = member.id === this.keeper(group);
    card.id = memberId(group.id, member.id);
    card.dataset.id = member.id;
    fillCard(card, member, context);
    card.classList.toggle("stays", stays);
    card.setAttribute("aria-selected", stays);
    card.setAttribute("aria-label", `${stays ? "stays; " : ""}${card.getAttribute("aria-label")}; ${member.split}`);
    card.parts.stays.textContent = stays && !group.judged ? "stays" : "";
    card.parts.file.textContent = `${member.split} · ${member.path}`;
  }

  #click(event) {
    const row = event.target.closest(".group");
    if (!row) return;
    const { browsing } = this.app;
    browsing.go(Number(row.dataset.position));
    browsing.clear();
    const member = event.target.closest(".card");
    if (member) this.#chosen.set(browsing.current, Number(member.dataset.id));
    this.focus();
    this.app.moved();
    const command = event.target.closest("button")?.dataset.command;
    if (command) this.app.run(command);
  }
}

function memberId(group, id) {
  return `copy-${group}-${id}`;
}

function createRow() {
  const heading = element("p", "reason");
  const status = element("span", "decided");
  const strip = element("div", "strip");
  strip.setAttribute("role", "presentation");
  const actions = element("div", "group-actions", action("keep", "Keep the marked copy"), action("notDuplicate", "Not duplicates"));
  actions.setAttribute("aria-hidden", "true"); // a list box has options alone; the bar below has the same buttons for all
  const row = element("div", "group", element("div", "group-head", heading, status, actions), strip);
  row.setAttribute("role", "group");
  row.parts = { heading, status, strip };
  return row;
}

function action(command, text) {
  const button = element("button", "small", text);
  button.type = "button";
  button.tabIndex = -1; // the keys k and d do the same
  button.dataset.command = command;
  return button;
}

function createMember() {
  const card = createCard();
  card.setAttribute("role", "option");
  card.parts.stays = element("span", "stays-mark");
  card.parts.file = element("bdi", "file");
  card.querySelector(".picture").append(card.parts.stays);
  card.append(card.parts.file);
  return card;
}
