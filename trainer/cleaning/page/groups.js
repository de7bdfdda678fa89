// Duplicates: one group a row, its copies side by side. The copy where the person is, is the one that would stay.

import { createCard, fillCard } from "./card.js";
import { counted } from "./changes.js";
import { element } from "./element.js";
import { moved, openNeighbour } from "./navigation.js";
import { VirtualGrid } from "./virtual.js";

const ROW_HEIGHT_REM = 16.5;
const CARD_REM = 7.5; // least width of a copy; more copies than fit are shown some at a time
const GAP_REM = 0.875;
const NAME_LETTERS = 20; // of the name of a file

export class GroupsView {
  #chosen = new Map(); // id of a group -> id of the copy that would stay
  #starts = new Map(); // id of a group -> position of the first copy that is shown

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
      if (member) openNeighbour(this.app, Number(member.dataset.id));
    });
  }

  open() {
    this.#chosen.clear();
    this.#starts.clear();
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

  /** The copy of a group that would stay: what was chosen, else what is proposed, with the label that is proposed for it. */
  keeper({ id, keeper, members, judged }) {
    const label = judged || this.app.store.isMultilabel ? null : members.find((member) => member.id === keeper)?.proposal;
    const better = members.find(({ status, labels }) => status !== "removed" && labels.includes(label));
    return this.#chosen.get(id) ?? better?.id ?? keeper;
  }

  /** Groups to go by for a key. Left and right choose the copy that stays. */
  step(key) {
    const { position, size } = this.app.browsing;
    const group = this.current;
    const along = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (along && group) {
      const ids = group.members.map(({ id }) => id);
      const next = ids.indexOf(this.keeper(group)) + along;
      if (next in ids) this.#choose(group, ids[next]);
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
    const where = `Group ${position + 1} of ${browsing.size}`;
    row.setAttribute("aria-label", `${where}. ${heading.textContent} ${status.textContent}`);
    row.classList.toggle("judged", Boolean(group?.judged));
    row.parts.different.hidden = context.queue === "exact-duplicates";
    const members = group ? this.#membersInView(group, row.parts) : [];
    while (strip.children.length < members.length) strip.append(createMember());
    while (strip.children.length > members.length) strip.lastChild.remove();
    for (const [index, member] of members.entries()) this.#updateMember(strip.children[index], member, group, context);
  }

  /** The copies that fit into a row: those around the one that stays, until the person asks for others. */
  #membersInView(group, { earlier, later }) {
    const { id, members } = group;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const fitting = Math.max(1, Math.floor(this.list.cellWidth / (CARD_REM * rem)) - 1);
    const pageOf = (position) => Math.floor(position / fitting) * fitting;
    const kept = members.findIndex((member) => member.id === this.keeper(group));
    const start = members.length <= fitting ? 0 : pageOf(this.#starts.get(id) ?? Math.max(0, kept));
    earlier.hidden = start === 0;
    later.hidden = start + fitting >= members.length;
    earlier.textContent = `‹ ${start}`;
    later.textContent = `${members.length - start - fitting} ›`;
    Object.assign(earlier.dataset, { start: start - fitting });
    Object.assign(later.dataset, { start: start + fitting });
    return members.slice(start, start + fitting);
  }

  #choose(group, id) {
    this.#chosen.set(group.id, id);
    this.#starts.delete(group.id);
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
    if (!card.parts.proposal.textContent) card.parts.proposal.textContent = member.split;
    card.parts.file.textContent = shortName(member.path);
  }

  #click(event) {
    const row = event.target.closest(".group");
    if (!row) return;
    const { browsing } = this.app;
    browsing.go(Number(row.dataset.position));
    browsing.clear();
    const member = event.target.closest(".card");
    const { start, command } = event.target.closest("button")?.dataset ?? {};
    if (member) this.#choose({ id: browsing.current }, Number(member.dataset.id));
    if (start) this.#starts.set(browsing.current, Number(start));
    this.focus();
    moved(this.app);
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
  const [earlier, later] = [button("‹"), button("›")];
  const different = button("Not duplicates", "notDuplicate");
  const actions = element("div", "group-actions", button("Keep the marked copy", "keep"), different);
  const head = element("div", "group-head", heading, status, actions);
  const row = element("div", "group", head, element("div", "strip-row", earlier, strip, later));
  row.setAttribute("role", "group");
  row.parts = { heading, status, strip, earlier, later, different };
  return row;
}

/** The name of a file, its middle left out if it is long: copies often differ only at the end of their names. */
function shortName(path) {
  const letters = [...path.slice(path.lastIndexOf("/") + 1)];
  if (letters.length <= NAME_LETTERS) return letters.join("");
  return `${letters.slice(0, NAME_LETTERS / 2 - 3).join("")}…${letters.slice(-NAME_LETTERS / 2 - 2).join("")}`;
}

/** A button for the mouse. A list box has options alone; keys, and the bar below, do the same. */
function button(text, command) {
  const made = element("button", "small", text);
  made.type = "button";
  made.tabIndex = -1;
  made.setAttribute("aria-hidden", "true");
  if (command) made.dataset.command = command;
  return made;
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
