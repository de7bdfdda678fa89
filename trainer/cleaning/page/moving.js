// Goes from image to image, and selects.

import { counted } from "./changes.js";
import { moved } from "./navigation.js";

const STEPS = { ArrowLeft: -1, ArrowUp: -1, PageUp: -1, ArrowRight: 1, ArrowDown: 1, PageDown: 1 };

/**
 * Go where a key leads.
 *
 * @param {import("./app.js").App} app
 * @param {string} key  as KeyboardEvent.key has it
 * @param {{isExtending?: boolean}} options  whether to select on the way
 */
export function move(app, key, { isExtending = false } = {}) {
  const { browsing, place } = app;
  if (place.view === "finish" || !browsing.size) return;
  if (place.view === "single" && app.single.zoom.isOn) {
    app.single.zoom.pan(key);
    return;
  }
  if (place.view === "single") {
    step(app, key === "Home" ? -browsing.position : key === "End" ? browsing.size : STEPS[key]);
    return;
  }
  const to = browsing.position + app.list.step(key);
  if (isExtending && !app.isGroups) browsing.extend(to);
  else browsing.go(to);
  moved(app);
}

/** Go to another image while one is shown large. */
export function step(app, by) {
  if (app.place.neighbour !== null) return;
  app.browsing.go(app.browsing.position + by);
  moved(app);
}

/** Select the image where the person is, or no longer. */
export function toggleSelection(app) {
  if (app.place.view !== "list" || !app.browsing.size) return;
  app.browsing.toggle(app.browsing.position);
  moved(app);
}

/** Select every image of the queue. */
export function selectAll(app) {
  const { browsing } = app;
  if (app.place.view !== "list" || !browsing.size) return;
  browsing.selectAll(browsing.listing.ids.keys());
  const { size } = browsing.selected;
  app.announce(size < browsing.size ? `The first ${size.toLocaleString("en")} are selected: one action can change no more.`
    : `${counted(size, app.isGroups ? "group" : "image")} selected.`);
  moved(app);
}
