// Lines above the images: what could not be saved, when it pays no longer to go on, and what comes next.

import { percent } from "./card.js";
import { counted } from "./changes.js";
import { nextQueue } from "./sidebar.js";

/** Show what could not be saved or fetched, with what to do. */
export function showFailure(page, outbox, problem) {
  const { error, size } = outbox;
  page.failure.hidden = !error && !problem;
  page.retry.hidden = page.discard.hidden = !error;
  page.dismiss.hidden = Boolean(error);
  let text = problem;
  if (error) text = `${capital(counted(size, "action"))} ${size === 1 ? "is" : "are"} not saved. ${error.message}`;
  if (page["failure-text"].textContent !== text) page["failure-text"].textContent = text;
}

/** Show whether everything is saved. */
export function showSaving(page, outbox) {
  const text = outbox.hasFailed ? "Not saved" : outbox.size ? "Saving …" : "Saved";
  page.saving.dataset.state = outbox.hasFailed ? "failed" : outbox.size ? "saving" : "saved";
  if (page.saving.textContent !== text) page.saving.textContent = text;
}

/**
 * The line above a queue: that it is finished, or may be left.
 *
 * @param {object} app
 * @returns {{text: string, action: string, isEnd: boolean} | null}
 */
export function queueNotice({ store, place, browsing, hasReachedEnd }) {
  const queue = store.queue(place.queue);
  const isWhole = !place.search && place.queue !== "class";
  const next = nextQueue(store.state.queues, place.queue);
  const left = next?.working ? "" : `, ${(next?.count - next?.judged).toLocaleString("en")}`;
  const action = next ? `Next: ${next.title}${left}` : "Finish";
  const isFinished = hasReachedEnd || (isWhole && queue.count > 0 && queue.judged >= queue.count);
  if (isFinished && browsing.size) {
    const what = store.isGroups(place.queue) ? "group" : "image";
    const all = browsing.size === 1 ? `The only ${what} is` : `All ${counted(browsing.size, what)} are`;
    return { text: `${all} looked at.`, action, isEnd: true };
  }
  if (isWhole && queue.stop) return { text: `You may stop here. ${queue.stop}`, action, isEnd: false };
  return null;
}

/** Why a listing is empty. */
export function emptyText({ store, place }) {
  const working = store.queue(place.queue)?.working;
  if (working) return `${capital(working.step)}: ${percent(working.fraction)}`;
  const judged = place.unjudged ? ", or all that do are looked at" : "";
  if (place.search) return `No file name here contains “${place.search}”${judged}.`;
  if (place.unjudged && (place.queue === "class" || store.queue(place.queue)?.count)) return "Everything here is looked at.";
  if (place.queue === "class") return place.label ? `No image has the label “${place.label}”.` : "Choose a class.";
  return "Nothing here.";
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
