// What a person can do, and by which key. The help shows this table, too.

import * as changes from "./changes.js";
import { judge, toggleLabel, undo } from "./judging.js";
import { move, selectAll, step, toggleSelection } from "./moving.js";
import { back, focusSearch, openCurrent, openFinish, openNextQueue, openQueue } from "./navigation.js";
import { quickClasses } from "./targets.js";

const QUICK = 9; // keys 1 to 9

/**
 * @typedef {object} Command
 * @property {string[]} keys  as KeyboardEvent.key has them
 * @property {string} shown  the keys as the help shows them
 * @property {string} text
 * @property {(app: import("./app.js").App, key: string, options: {isExtending: boolean}) => void} run
 */

/** @type {Record<string, Command>} */
export const COMMANDS = {
  move: {
    keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"],
    shown: "← → ↑ ↓", text: "go to another image; with Shift, select on the way", run: move,
  },
  select: { keys: [" "], shown: "Space", text: "select the image, or no longer", run: toggleSelection },
  open: { keys: ["Enter"], shown: "Enter", text: "show the image large", run: openCurrent },
  back: { keys: ["Escape"], shown: "Esc", text: "back to all images; clear the selection", run: back },
  quick: {
    keys: Array.from({ length: QUICK }, (_, index) => String(index + 1)),
    shown: "1 … 9", run: quick,
    text: "relabel to one of the likeliest classes; with several labels an image, add it or take it away",
  },
  find: { keys: ["l", "/"], shown: "l or /", text: "find a class by its name, or make a new one", run: findClass },
  proposal: {
    keys: ["p"], shown: "p", run: takeProposals,
    text: "accept the proposed label; if several are selected, each image its own",
  },
  keep: {
    keys: ["k"], shown: "k", run: keep,
    text: "keep: the labels are right; among duplicates, keep the marked copy alone",
  },
  remove: { keys: ["x", "Delete"], shown: "x", text: "remove from the data; the file stays where it is", run: remove },
  notDuplicate: { keys: ["d"], shown: "d", text: "not a duplicate: the images of this group differ", run: notDuplicate },
  undo: { keys: ["u"], shown: "u or Ctrl Z", text: "undo the last action, also of many images", run: undo },
  heatmap: { keys: ["h"], shown: "h", text: "show where the model looks", run: (app) => app.single.toggleHeatmap() },
  zoom: { keys: ["z"], shown: "z", text: "enlarge the photo; the arrows then move it", run: toggleZoom },
  nextQueue: { keys: ["n"], shown: "n", text: "go to the next queue", run: openNextQueue },
  finish: { keys: ["f"], shown: "f", text: "finish: write the cleaned table, and see what to type next", run: openFinish },
  byClass: { keys: ["c"], shown: "c", text: "look at one class", run: chooseClass },
  search: { keys: ["s"], shown: "s", text: "search by file name", run: focusSearch },
  help: { keys: ["?"], shown: "?", text: "show these keys", run: (app) => app.page.help.showModal() },
  selectAll: { keys: [], shown: "Ctrl A", text: "select all images of the queue", run: selectAll },
  previous: { keys: [], run: (app) => step(app, -1) },
  next: { keys: [], run: (app) => step(app, 1) },
};

const BY_KEY = new Map(Object.entries(COMMANDS).flatMap(([name, { keys }]) => keys.map((key) => [key, name])));
const WITH_CTRL = new Map([["a", "selectAll"], ["z", "undo"]]);

/** The name of the command of a key; undefined for none. */
export function commandOf({ key, ctrlKey, metaKey, altKey }) {
  if (altKey) return undefined;
  return ctrlKey || metaKey ? WITH_CTRL.get(key.toLowerCase()) : BY_KEY.get(key) ?? BY_KEY.get(key.toLowerCase());
}

/** Whether a key is a letter, digit or sign: a person can turn these off, as those who speak to their computer must. */
export function isCharacter({ key, ctrlKey, metaKey }) {
  return key.length === 1 && key !== " " && !ctrlKey && !metaKey;
}

function quick(app, key) {
  const label = quickClasses(app)[Number(key) - 1];
  if (label !== undefined) setLabel(app, label);
}

/** Relabel what is selected; with several labels an image, add or take away this one. */
function setLabel(app, label) {
  if (app.store.isMultilabel) toggleLabel(app, label);
  else judge(app, [changes.relabel(app.targets, label)], { stays: app.isGroups });
}

function findClass(app) {
  if (!app.targets.length) return;
  const { store, targets } = app;
  const { classes, recent_classes: recent } = store.state;
  const byName = new Map(classes.map((one) => [one.name, one]));
  const first = [...new Set([...recent, ...quickClasses(app)])].filter((name) => byName.has(name));
  const rest = classes.filter(({ name }) => !first.includes(name)).sort((a, b) => a.name.localeCompare(b.name));
  app.finder.open({
    title: finderTitle(targets.length, store.isMultilabel),
    classes: [...first.map((name) => byName.get(name)), ...rest],
    allowsNew: true,
    isToggle: store.isMultilabel,
    chosen: () => store.item(targets[0])?.labels ?? [],
    onChoose: (name) => setLabel(app, name),
    onClose: () => app.focus(),
  });
}

function finderTitle(count, isMultilabel) {
  const images = changes.counted(count, "image");
  if (isMultilabel) return count === 1 ? "Which labels does it have?" : `Which labels do these ${images} have?`;
  return count === 1 ? "Which class is it?" : `Which class are these ${images}?`;
}

/** Ask for a class, and show its images. */
function chooseClass(app) {
  app.finder.open({
    title: "Look at which class?",
    classes: app.store.state.classes,
    allowsNew: false,
    isToggle: false,
    onChoose: (name) => openQueue(app, "class", { label: name }),
    onClose: () => app.focus(),
  });
}

async function takeProposals(app) {
  const { targets, store, place } = app;
  if (targets.some((id) => !app.item(id)) && !(await app.loadAll(targets))) return;
  const items = targets.map((id) => app.item(id)).filter(Boolean);
  const wanted = changes.proposals(items, { queue: place.queue, isMultilabel: store.isMultilabel });
  if (wanted.length) judge(app, wanted, { stays: app.isGroups });
  else app.announce("No label is proposed here.");
}

function keep(app) {
  if (!app.isGroups) judge(app, [changes.keep(app.targets)]);
  else judgeGroups(app, (ids, group) => changes.keepCopy(ids, app.groups.keeper(group)));
}

function toggleZoom(app) {
  if (app.place.view === "single") app.single.zoom.toggle();
}

function remove(app) {
  judge(app, [changes.remove(app.targets)], { stays: app.isGroups });
}

function notDuplicate(app) {
  if (app.place.queue === "exact-duplicates") app.announce("These files have the same bytes, so they show the same.");
  else if (app.isGroups) judgeGroups(app, changes.notDuplicate);
}

/** Decide about the selected groups, or the one where the person is. Those that were never in view are fetched first. */
async function judgeGroups(app, changeOf) {
  if (app.targetGroups.includes(undefined) && !(await app.loadAll(app.browsing.targets))) return;
  judge(app, app.targetGroups.map((group) => changeOf(group.members.map(({ id }) => id), group)));
}
