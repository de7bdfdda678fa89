// Goes from place to place: queues, one image, the last page, and back.

import { readAddress, writeAddress } from "./address.js";
import { Browsing } from "./browsing.js";
import { showFinish } from "./finish.js";
import { Listing } from "./listing.js";
import { nextQueue } from "./sidebar.js";

const FIRST = 30; // images fetched before a queue is shown
const CLASS_QUEUE = "class";

/**
 * Go to a place: fetch its queue, then show it. Until then the person is where they were.
 *
 * @returns {Promise<void>}  is settled when it is shown, or cannot be
 */
export function openPlace(app, wanted, { isStep = false } = {}) {
  const known = wanted.queue && app.store.queue(wanted.queue);
  const queue = known ? wanted.queue : (nextQueue(app.store.state.queues, "") ?? app.store.state.queues[0]).name;
  const place = { ...wanted, queue };
  app.wanted = place;
  app.page.main.setAttribute("aria-busy", "true");
  const opening = fetchListing(app, place).then((listing) => {
    if (app.opening === opening) show(app, place, listing, isStep);
  }).catch((error) => {
    app.problem = error.message;
    app.render();
  }).finally(() => {
    if (app.opening !== opening) return; // another one was opened meanwhile
    app.opening = app.wanted = null;
    app.page.main.removeAttribute("aria-busy");
  });
  app.opening = opening;
  return opening;
}

/** The listing of a place, with what is shown of it first. */
async function fetchListing(app, place) {
  await app.store.outbox.whenIdle(); // what is being saved may belong to it, or no longer
  const isNowhere = place.queue === CLASS_QUEUE && !place.label;
  const listing = await (isNowhere ? Listing.empty : Listing.open)(app.store, place);
  const start = listing.startAt(place.at);
  await app.store.load(place.queue, listing.ids.slice(start, start + FIRST));
  return listing;
}

function show(app, place, listing, isStep) {
  const hasImage = listing.size || place.neighbour !== null;
  app.place = place.view === "single" && !hasImage ? { ...place, view: "list" } : place;
  app.store.present = place.queue;
  app.hasReachedEnd = false;
  app.browsing = new Browsing(listing);
  app.browsing.go(listing.startAt(place.at));
  writeAddress(app.place, { isStep });
  if (app.place.view === "finish") showFinish(app.page, app);
  app.render();
  app.list.open();
  if (document.activeElement !== app.page.search) app.focus();
}

/** Go where the browser's history leads. */
export function openAddress(app) {
  const place = readAddress();
  const isHere = ["queue", "label", "search", "unjudged"].every((name) => place[name] === app.place[name]);
  if (!isHere || !app.browsing) {
    app.page.search.value = place.search;
    openPlace(app, place);
    return;
  }
  app.place = { ...place, at: app.browsing.current ?? null };
  if (place.view === "finish") showFinish(app.page, app);
  app.render();
  if (place.view === "list") app.list.reveal();
  app.focus();
}

export function openQueue(app, name, { label = "", search = "" } = {}) {
  app.page.search.value = search;
  const { unjudged } = app.place;
  return openPlace(app, { queue: name, label, search, unjudged, at: null, view: "list", neighbour: null }, { isStep: true });
}

export function openNextQueue(app) {
  const next = nextQueue(app.store.state.queues, app.place.queue);
  if (next) openQueue(app, next.name);
  else openFinish(app);
}

export function openFinish(app) {
  setView(app, { view: "finish", neighbour: null }, { isStep: true });
  showFinish(app.page, app);
  app.focus();
}

export function openSingle(app, position) {
  app.browsing.go(position);
  app.browsing.clear();
  setView(app, { view: "single", neighbour: null }, { isStep: true });
  app.focus();
}

/** Show an image that need not be in the queue; "back" leads to where the person was. */
export function openNeighbour(app, id) {
  setView(app, { view: "single", neighbour: id }, { isStep: true });
  app.focus();
}

export function openCurrent(app) {
  if (app.isGroups) openNeighbour(app, app.targets[0]);
  else if (app.place.view === "list" && app.browsing.size) openSingle(app, app.browsing.position);
}

export function back(app) {
  const { view, neighbour } = app.place;
  app.single.zoom.off();
  if (neighbour !== null && !app.store.isGroups(app.place.queue)) setView(app, { neighbour: null });
  else if (view !== "list") {
    setView(app, { view: "list", neighbour: null });
    app.list.reveal();
  } else app.browsing.clear();
  app.render();
  app.focus();
}

function setView(app, change, { isStep = false } = {}) {
  app.place = { ...app.place, ...change, at: app.browsing?.current ?? null };
  writeAddress(app.place, { isStep });
  app.render();
}

/** The person went elsewhere in the list, or selected something. */
export function moved(app) {
  app.place = { ...app.place, at: app.browsing.current ?? null };
  writeAddress(app.place);
  app.list.reveal();
  app.render();
}

/** Narrow the list to the files that have a text in their names. */
export function searchFor(app, text) {
  return openPlace(app, { ...app.place, search: text, at: null, view: "list" });
}

export async function focusSearch(app) {
  if (app.place.view !== "list" || app.isGroups) await openQueue(app, "everything");
  app.page.search.focus();
  app.page.search.select();
}
