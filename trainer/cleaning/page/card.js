// One image as a small card: thumbnail, label, proposal, what was decided. Names are only ever text.

import { thumbUrl } from "./api.js";
import { STATUS_TEXTS } from "./changes.js";
import { element } from "./element.js";

const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
const MARKS = { kept: "✓", relabelled: "✎", removed: "✕" };

/** A probability as a person reads it. */
export function percent(fraction) {
  return fraction > 0 && fraction < 0.005 ? "<\u20091%" : PERCENT.format(fraction);
}

/** The labels of an item as one text. */
export function labelText(labels) {
  return labels.length ? labels.join(", ") : "no label";
}

/** What is proposed, in a few words; "" if nothing is, or if a person has decided. */
export function proposalText({ proposal, labels, status }, { queue, isMultilabel }) {
  if (proposal === null || proposal === undefined || status !== "none") return "";
  const isAdded = queue !== "surplus";
  if (labels.includes(proposal) === isAdded) return "";
  if (!isMultilabel) return `→ ${proposal}`;
  return isAdded ? `+ ${proposal}` : `− ${proposal}`;
}

/** All that a card shows, as a sentence for screen readers. */
export function cardSentence(item, context) {
  const parts = [labelText(item.labels)];
  const proposal = proposalText(item, context);
  if (proposal) parts.push(`proposed: ${proposal.slice(2)}`);
  if (proposal && item.probability !== null) parts.push(percent(item.probability));
  if (item.status !== "none") parts.push(STATUS_TEXTS[item.status]);
  parts.push(item.path);
  return parts.join("; ");
}

/** Show another picture. The one before goes at once: it would stand above the label of this one until this one is there. */
export function showImage(image, url) {
  if (image.getAttribute("src") === url) return;
  image.parentElement.classList.remove("missing");
  image.removeAttribute("src");
  image.src = url;
}

/** An empty card. `fillCard` gives it an image. */
export function createCard() {
  const image = element("img", "");
  image.alt = "";
  image.draggable = false;
  image.decoding = "async";
  image.addEventListener("error", () => image.parentElement.classList.add("missing"));
  image.addEventListener("load", () => image.parentElement.classList.remove("missing"));
  const mark = element("span", "mark");
  const label = element("bdi", "label");
  const proposal = element("bdi", "proposal");
  const probability = element("span", "probability");
  const card = element("div", "card", element("div", "picture", image, mark, probability), label,
    element("span", "second", proposal));
  card.parts = { image, mark, label, proposal, probability };
  return card;
}

/**
 * Show an item in a card; undefined empties it.
 *
 * @param {HTMLElement} card
 * @param {object | undefined} item
 * @param {{queue: string, isMultilabel: boolean}} context
 */
export function fillCard(card, item, context) {
  const { image, mark, label, proposal, probability } = card.parts;
  card.classList.toggle("loading", item === undefined);
  card.dataset.status = item?.status ?? "none";
  if (item === undefined) {
    image.removeAttribute("src");
    for (const part of [mark, label, proposal, probability]) part.textContent = "";
    card.setAttribute("aria-label", "Loading");
    return;
  }
  showImage(image, thumbUrl(item));
  const suggestion = proposalText(item, context);
  mark.textContent = MARKS[item.status] ?? "";
  label.textContent = labelText(item.labels);
  proposal.textContent = suggestion || statusLine(item);
  proposal.classList.toggle("quiet-text", !suggestion);
  probability.textContent = suggestion && item.probability !== null ? percent(item.probability) : "";
  card.title = [item.path, item.reason].filter(Boolean).join("\n");
  card.setAttribute("aria-label", cardSentence(item, context));
}

function statusLine({ status, original_labels: before }) {
  return status === "relabelled" ? `was ${labelText(before)}` : STATUS_TEXTS[status] ?? "";
}
