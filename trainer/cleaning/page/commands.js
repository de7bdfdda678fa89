// What a person can do, and by which key. The help shows this table, too.

import * as changes from "./changes.js";

const QUICK = 9; // keys 1 to 9

/**
 * @typedef {object} Command
 * @property {string[]} keys  as KeyboardEvent.key has them
 * @property {string} shown  the keys as the help shows them
 * @property {string} text
 * @property {(app: import("./app.js").App, key: string) => void} run
 */

/** @type {Record<string, Command>} */
export const COMMANDS = {
  move: {
    keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"],
    shown: "← → ↑ ↓", text: "go to another image; with Shift, select on the way", run: (app, key) => app.move(key),
  },
  select: { keys: [" "], shown: "Space", text: "select the image, or no longer", run: (app) => app.toggleSelection() },
  open: { keys: ["Enter"], shown: "Enter", text: "show the image large", run: (app) => app.openCurrent() },
  back: { keys: ["Escape"], shown: "Esc", text: "back to all images; clear the selection", run: (app) => app.back() },
  quick: {
    keys: Array.from({ length: QUICK }, (_, index) => String(index + 1)),
    shown: "1 … 9", text: "relabel to one of the likeliest classes", run: quick,
  },
  find: { keys: ["l", "/"], shown: "l or /", text: "find a class by its name, or make a new one", run: findClass },
  proposal: { keys: ["p"], shown: "p", text: "take the proposed label; with a selection, each image its own", run: takeProposals },
  keep: { keys: ["k"], shown: "k", text: "keep: the labels are right; among duplicates, keep the marked copy alone", run: keep },
  remove: { keys: ["x", "Delete"], shown: "x", text: "remove from the data; the file stays where it is", run: remove },
  notDuplicate: { keys: ["d"], shown: "d", text: "not a duplicate: the images of this group differ", run: notDuplicate },
  undo: { keys: ["u"], shown: "u or Ctrl Z", text: "undo the last action, also of many images", run: (app) => app.undo() },
  heatmap: { keys: ["h"], shown: "h", text: "show where the model looks", run: (app) => app.single.toggleHeatmap() },
  nextQueue: { keys: ["n"], shown: "n", text: "go to the next queue", run: (app) => app.openNextQueue() },
  byClass: { keys: ["c"], shown: "c", text: "look at one class", run: (app) => app.chooseClass() },
  search: { keys: ["s"], shown: "s", text: "search by file name", run: (app) => app.focusSearch() },
  help: { keys: ["?"], shown: "?", text: "show these keys", run: (app) => app.page.help.showModal() },
  selectAll: { keys: [], shown: "Ctrl A", text: "select all images of the queue", run: (app) => app.selectAll() },
  previous: { keys: [], run: (app) => app.step(-1) },
  next: { keys: [], run: (app) => app.step(1) },
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
  const label = app.quickClasses[Number(key) - 1];
  if (label !== undefined) setLabel(app, label);
}

/** Relabel what is selected; with several labels an image, add or take away this one. */
export function setLabel(app, label) {
  if (app.store.isMultilabel) app.toggleLabel(label);
  else app.judge([changes.relabel(app.targets, label)]);
}

/** The change that adds a label to all items, or takes it away if all have it. */
export function toggled(items, ids, label) {
  const haveIt = items.every((item) => item?.labels.includes(label));
  return (haveIt ? changes.removeLabel : changes.addLabel)(ids, label);
}

function findClass(app) {
  if (!app.targets.length) return;
  const { store, targets } = app;
  const { classes, recent_classes: recent } = store.state;
  const byName = new Map(classes.map((one) => [one.name, one]));
  const first = [...new Set([...recent, ...app.quickClasses])].filter((name) => byName.has(name));
  const rest = classes.filter(({ name }) => !first.includes(name)).sort((a, b) => a.name.localeCompare(b.name));
  app.finder.open({
    title: targets.length === 1 ? "Which class is it?" : `Which class are these ${changes.counted(targets.length, "image")}?`,
    classes: [...first.map((name) => byName.get(name)), ...rest],
    allowsNew: true,
    isToggle: store.isMultilabel,
    chosen: () => store.item(targets[0])?.labels ?? [],
    onChoose: (name) => setLabel(app, name),
    onClose: () => app.focus(),
  });
}

async function takeProposals(app) {
  const { targets, store, place } = app;
  await app.loadItems(targets);
  const items = targets.map((id) => store.item(id)).filter(Boolean);
  const wanted = changes.proposals(items, { queue: place.queue, isMultilabel: store.isMultilabel });
  if (wanted.length) app.judge(wanted);
  else app.announce("No label is proposed here.");
}

function keep(app) {
  if (!app.isGroups) {
    app.judge([changes.keep(app.targets)]);
    return;
  }
  const groups = app.targetGroups;
  app.judge(groups.map((group) => changes.keepCopy(group.members.map(({ id }) => id), app.groups.keeper(group))));
}

function remove(app) {
  app.judge([changes.remove(app.targets)], { stays: app.isGroups });
}

function notDuplicate(app) {
  if (app.isGroups) app.judge(app.targetGroups.map((group) => changes.notDuplicate(group.members.map(({ id }) => id))));
}
