// The page: takes a photo in whatever way it comes, asks the service, shows the answer.

import { introduction, report, sentence } from "./answer.js";
import { drawHeatmap } from "./heatmap.js";
import { askForKey } from "./key.js";
import { Refusal, fetchInput, fetchModel, onKeyWanted, predict } from "./service.js";

const at = (id) => document.getElementById(id);
const page = Object.fromEntries(
  ["again", "answer", "busy", "camera", "caption", "drop", "error", "heatmap", "heatmap-switch", "key", "key-field", "key-note",
    "model", "modifier", "overlay", "photo", "pick", "preview", "result", "status", "title", "zone"].map((id) => [id, at(id)]),
);

let model = null; // the promise of its record
let current = null; // AbortController of the request in progress

async function look(photo) {
  current?.abort();
  const request = current = new AbortController();
  setBusy(true);
  showError("");
  show(photo);
  try {
    const record = await model;
    if (photo.size === 0) throw new Refusal("This file is empty.");
    if (photo.size > record.limits.max_body_bytes) {
      throw new Refusal(`This file is ${megabytes(photo.size)}; at most ${megabytes(record.limits.max_body_bytes)} are taken here.`);
    }
    const answer = await predict(photo, { heatmap: record.heatmaps, signal: request.signal });
    const shownAsInput = await previewOr(photo, request.signal);
    if (request.signal.aborted) return;
    showAnswer(answer, record, shownAsInput);
  } catch (error) {
    if (request.signal.aborted) return;
    if (!(error instanceof Refusal)) throw error;
    showError(error.message);
    await hideBroken();
  } finally {
    if (request === current) setBusy(false);
  }
}

function show(photo) {
  URL.revokeObjectURL(page.preview.src);
  page.preview.src = URL.createObjectURL(photo);
  showInvitation(false);
  page["heatmap-switch"].hidden = true;
  page.photo.classList.remove("failed");
  showHeatmap(false);
}

/** What is no picture for the browser either leaves its place to the invitation. */
async function hideBroken() {
  try {
    await page.preview.decode();
  } catch {
    showInvitation(true);
  }
}

/** The invitation to choose a photo, or the photo and the choice of another one. */
function showInvitation(shown) {
  page.zone.hidden = !shown;
  page.photo.hidden = page.again.hidden = shown;
  page.pick.setAttribute("aria-labelledby", shown ? "zone" : "again");
}

function showHeatmap(shown) {
  page.overlay.hidden = page.caption.hidden = !shown;
}

/** Where this browser cannot show the photo (HEIC, say), show what the model saw of it; says whether it did. */
async function previewOr(photo, signal) {
  try {
    await page.preview.decode();
    return false;
  } catch {
    const input = await fetchInput(photo, { signal });
    URL.revokeObjectURL(page.preview.src);
    page.preview.src = URL.createObjectURL(input);
    await page.preview.decode();
    return true;
  }
}

function showAnswer(answer, record, shownAsInput) {
  page.result.replaceChildren(...report(answer, record));
  page.status.textContent = sentence(answer);
  if (!answer.heatmap) return;
  const { naturalWidth: width, naturalHeight: height } = page.preview;
  const seen = shownAsInput ? { values: answer.heatmap.values, box: [0, 0, width, height] } : answer.heatmap;
  const shaded = drawHeatmap(page.overlay, seen, shownAsInput ? { width, height } : answer.image);
  page.caption.textContent = `The brighter, the more it speaks for “${answer.predictions[0].label}”.`
    + (shaded ? " What is shaded is not looked at." : "");
  page["heatmap-switch"].hidden = false;
  showHeatmap(page.heatmap.checked);
}

function showError(message) {
  page.error.textContent = message;
  if (!message) return;
  page.result.replaceChildren();
  page.photo.classList.add("failed");
}

function setBusy(busy) {
  page.busy.hidden = !busy;
  page.answer.setAttribute("aria-busy", String(busy));
  page.answer.classList.toggle("waiting", busy);
  if (busy) page.status.textContent = "Looking at the photo.";
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
}

function takeFirst(files, otherwise) {
  if (files.length) look(files[0]);
  else if (otherwise) showError(otherwise);
}

function listen() {
  for (const input of [page.pick, page.camera]) {
    input.addEventListener("change", () => {
      takeFirst([...input.files]);
      input.value = ""; // the same photo may be chosen again
    });
  }
  page.heatmap.addEventListener("change", () => showHeatmap(page.heatmap.checked));
  window.addEventListener("paste", (event) => {
    takeFirst([...event.clipboardData.files], "There is no image on the clipboard.");
  });
  listenForDrops();
}

function listenForDrops() {
  let depth = 0; // dragenter and dragleave come for every element that is crossed
  const settle = (value) => {
    depth = value;
    page.drop.hidden = depth === 0;
  };
  window.addEventListener("dragenter", (event) => { event.preventDefault(); settle(depth + 1); });
  window.addEventListener("dragleave", () => settle(Math.max(0, depth - 1)));
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    settle(0);
    takeFirst([...event.dataTransfer.files], "That was not a file. Save the image first, then drop the file.");
  });
}

async function introduce() {
  const record = await model;
  const count = record.classes.length.toLocaleString("en");
  page.title.textContent = document.title = record.name;
  page.model.textContent = `${record.name}, version ${record.version} · ${count} ${record.classes.length === 1 ? "class" : "classes"}`;
  page.model.title = record.digest;
  if (page.photo.hidden) page.result.replaceChildren(...introduction(record));
}

if (/Mac|iPhone|iPad/.test(navigator.platform)) page.modifier.textContent = "⌘";
onKeyWanted(() => {
  page.result.replaceChildren();
  return askForKey({ form: page.key, field: page["key-field"], note: page["key-note"] });
});
model = fetchModel();
listen();
introduce().catch((error) => {
  if (!(error instanceof Refusal)) throw error;
  page.model.textContent = "No model";
  showError(error.message);
});
