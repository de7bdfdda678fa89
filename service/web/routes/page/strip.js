// Several photos: a strip with the answer of each, and a table of all to save.

import { element } from "./element.js";
import { DONE, FAILED } from "./photos.js";
import { labelsOf, wording } from "./wording.js";

const FORMULA = /^[=+\-@\t\r]/; // a spreadsheet would run such a text

let built = null; // {photos, items}: what the strip shows

/** Show the photos, if there are several. `onSelect` gets the one that a person chooses. */
export function showStrip(page, photos, { selected, onSelect }) {
  page.several.hidden = photos.length < 2;
  if (page.several.hidden) return;
  if (built?.photos !== photos) {
    built = { photos, items: photos.map((photo) => stripItem(photo, onSelect)) };
    page.strip.replaceChildren(...built.items.map(({ item }) => item));
  }
  for (const [index, photo] of photos.entries()) update(built.items[index], photo, photo === selected);
  const count = photos.filter(({ state }) => state === DONE).length;
  page["strip-count"].textContent = `${count} of ${photos.length} classified`;
  page.csv.disabled = !photos.some(({ isFinished }) => isFinished);
}

function stripItem(photo, onSelect) {
  const image = element("img", "");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  const label = element("span", "thumb-label");
  const probability = element("span", "thumb-probability");
  const name = element("span", "thumb-name", photo.name);
  name.title = photo.name;
  const button = element("button", "thumb", image, label, probability, name);
  button.type = "button";
  button.addEventListener("click", () => onSelect(photo));
  return { item: element("li", "", button), button, image, label, probability };
}

function update({ button, image, label, probability }, photo, isSelected) {
  if (image.getAttribute("src") !== photo.url) image.src = photo.url;
  button.setAttribute("aria-pressed", String(isSelected));
  button.classList.toggle("bad", photo.state === FAILED);
  const pending = { short: photo.state === FAILED ? "No answer" : "…", probability: "" };
  const answer = photo.state === DONE ? wording(photo) : pending;
  label.textContent = answer.short;
  probability.textContent = answer.probability;
}

/** The answers as CSV (RFC 4180), one row for each photo. Several labels of one photo are joined with "; ". */
export function answersCsv(photos) {
  const rows = photos.map(({ name, prediction, error }) => {
    const labels = prediction ? labelsOf(prediction) : [];
    return [text(name), text(labels.map(({ label }) => label).join("; ")),
      labels.map(({ probability }) => probability.toFixed(4)).join("; "), prediction?.abstained ?? "",
      text((prediction?.set ?? []).join("; ")), text(error)];
  });
  return [["file", "label", "probability", "abstained", "set", "error"], ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

function text(value) {
  return FORMULA.test(value) ? `'${value}` : value;
}

function quoted(value) {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll("\"", "\"\"")}"` : value;
}

/** Let a person save the answers. The mark at the start lets Excel read UTF-8. */
export function saveCsv(photos) {
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob(["\ufeff", answersCsv(photos)], { type: "text/csv" }));
  link.download = "answers.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 0);
}
