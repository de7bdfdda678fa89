// Where a person is, in the address of the page: a reload and the browser's own "back" lead there again.

const PAUSE_MS = 300; // browsers refuse many changes of the address in a short time
const STORAGE_NAME = "fieldguide-clean-place"; // what is not in the address yet

let pending = null; // {address, timer}: what the address will be

/**
 * @typedef {object} Place
 * @property {string} queue  "" for the first one
 * @property {string} label  of the queue "class"
 * @property {string} search  part of a file name
 * @property {boolean} unjudged  whether judged images are left out
 * @property {number | null} at  id of the image, or group, where the person is
 * @property {"list" | "single" | "finish"} view
 * @property {number | null} neighbour  id of an image that was opened from another one
 */

/** Where a person was before a reload of the page; else what the address says. */
export function firstPlace() {
  const isReload = performance.getEntriesByType("navigation")[0]?.type === "reload";
  return placeOf(isReload ? sessionStorage.getItem(STORAGE_NAME) ?? location.hash : location.hash);
}

export const readAddress = () => placeOf(location.hash);

/** @returns {Place} */
function placeOf(address) {
  const query = new URLSearchParams(address.slice(1));
  const number = (name) => (/^\d{1,9}$/.test(query.get(name) ?? "") ? Number(query.get(name)) : null);
  const view = ["single", "finish"].includes(query.get("view")) ? query.get("view") : "list";
  return {
    queue: query.get("queue") ?? "",
    label: query.get("class") ?? "",
    search: query.get("search") ?? "",
    unjudged: query.has("unjudged"),
    at: number("at"),
    view,
    neighbour: number("neighbour"),
  };
}

function addressOf({ queue, label, search, unjudged, at, view, neighbour }) {
  const query = new URLSearchParams();
  if (queue) query.set("queue", queue);
  if (label) query.set("class", label);
  if (search) query.set("search", search);
  if (unjudged) query.set("unjudged", "1");
  if (at !== null) query.set("at", at);
  if (view !== "list") query.set("view", view);
  if (neighbour !== null) query.set("neighbour", neighbour);
  return `#${query}`;
}

/** Note where the person is: as a new step of the browser's history, or in place of the present one. */
export function writeAddress(place, { isStep = false } = {}) {
  const address = addressOf(place);
  sessionStorage.setItem(STORAGE_NAME, address);
  if (isStep) {
    if (pending) writePending(); // where the person was
    history.pushState(null, "", address);
    return;
  }
  clearTimeout(pending?.timer);
  pending = { address, timer: setTimeout(writePending, PAUSE_MS) };
}

function writePending() {
  clearTimeout(pending.timer);
  history.replaceState(null, "", pending.address);
  pending = null;
}
