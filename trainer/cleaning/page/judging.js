// Saves what a person decides, says so, and goes on to the next image.

import { addLabel, removeLabel, sentence } from "./changes.js";
import { back, moved } from "./navigation.js";

/**
 * Save changes as one action.
 *
 * @param {import("./app.js").App} app
 * @param {object[]} changes
 * @param {{stays?: boolean}} options  whether the person stays at this image, or group
 */
export function judge(app, changes, { stays = false } = {}) {
  const wanted = changes.filter(({ ids }) => ids.length);
  if (!wanted.length) return;
  app.problem = "";
  const wasSelection = app.place.view === "list" && app.browsing.selected.size > 0;
  app.store.outbox.edit(wanted);
  app.announce(`${sentence(wanted)}.`);
  app.browsing.clear();
  if (!stays && !wasSelection && app.place.neighbour === null) advance(app);
  app.render();
}

/** Add a label to the images that a command is about, or take it away if all of them have it. */
export function toggleLabel(app, label) {
  const ids = app.targets;
  const haveIt = ids.every((id) => app.store.item(id)?.labels.includes(label));
  judge(app, [(haveIt ? removeLabel : addLabel)(ids, label)], { stays: true });
}

/** Take the last action back; with the server gone, the last one that is not saved. */
export function undo(app) {
  const { state, outbox } = app.store;
  if (!state.can_undo && !outbox.size) {
    app.announce("There is nothing to undo.");
    return;
  }
  const isDropped = outbox.undo(() => app.store.state.undo_action);
  if (isDropped) app.announce("The last action, which was not saved, is dropped.");
}

/** Say what was taken back, and go to the first of its images. */
export function showUndone(app, ids, what) {
  app.announce(ids.length ? `Undone: ${what}.` : "There is nothing to undo.");
  app.hasReachedEnd = false;
  const positions = ids.map((id) => app.browsing.listing.positionOf(id)).filter((position) => position >= 0);
  if (!positions.length || app.browsing.listing.isGroups || app.place.view === "finish") return;
  app.browsing.go(positions.reduce((first, position) => Math.min(first, position)));
  moved(app);
}

/** The next image that is not judged; from the end of the queue, the first one that was left out. */
function advance(app) {
  const { listing, position } = app.browsing;
  const after = listing.nextUnjudged(position + 1);
  const next = after >= 0 ? after : listing.nextUnjudged(0);
  if (next >= 0) app.browsing.go(next);
  else {
    app.hasReachedEnd = true;
    if (app.place.view === "single") back(app);
  }
  moved(app);
}
