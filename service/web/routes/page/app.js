// The page: takes a photo from a file, the camera, the clipboard or a drop, asks the service, shows the prediction.

import { askForKey } from "./api_key.js";
import { drawHeatmap } from "./heatmap.js";
import { introduction, predictionElements, sentence } from "./prediction.js";
import { ServiceError, fetchInput, fetchModel, onKeyNeeded, predict } from "./service.js";

const at = (id) => document.getElementById(id);
const page = Object.fromEntries(
  ["again", "busy", "camera", "caption", "drop", "error", "heatmap", "heatmap-switch", "key", "key-field", "key-note",
    "model", "modifier", "overlay", "photo", "pick", "prediction", "preview", "result", "status", "title", "zone"].map((id) => [id, at(id)]),
);

let model = null; // promise of its details
let current = null; // AbortController of the request in progress

async function classify(photo) {
  current?.abort();
  const request = current = new AbortController();
  setBusy(true);
  showError("");
  show(photo);
  try {
    const details = await model;
    if (photo.size === 0) throw new ServiceError("This file is empty.");
    if (photo.size > details.limits.max_body_bytes) {
      throw new ServiceError(`This file is ${megabytes(photo.size)}; the limit is ${megabytes(details.limits.max_body_bytes)}.`);
    }
    const prediction = await predict(photo, { heatmap: details.heatmaps, signal: request.signal });
    const shownAsInput = await previewOr(photo, request.signal);
    if (request.signal.aborted) return;
    showPrediction(prediction, details, shownAsInput);
  } catch (error) {
    if (request.signal.aborted) return;
    if (!(error instanceof ServiceError)) throw error;
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

/** If the browser cannot show the file either, show the invitation again. */
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

/** If the browser cannot show the photo (such as HEIC), show what the model sees of it. Returns whether it did. */
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

function showPrediction(prediction, details, shownAsInput) {
  page.result.replaceChildren(...predictionElements(prediction, details));
  page.status.textContent = sentence(prediction);
  if (!prediction.heatmap) return;
  const { naturalWidth: width, naturalHeight: height } = page.preview;
  const seen = shownAsInput ? { values: prediction.heatmap.values, box: [0, 0, width, height] } : prediction.heatmap;
  const shaded = drawHeatmap(page.overlay, seen, shownAsInput ? { width, height } : prediction.image);
  page.caption.textContent = `Brighter areas count more for “${prediction.predictions[0].label}”.`
    + (shaded ? " The model does not see the shaded area." : "");
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
  page.prediction.setAttribute("aria-busy", String(busy));
  page.prediction.classList.toggle("waiting", busy);
  if (busy) page.status.textContent = "Processing the photo.";
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
}

function classifyFirst(files, errorIfNone) {
  if (files.length) classify(files[0]);
  else if (errorIfNone) showError(errorIfNone);
}

function listen() {
  for (const input of [page.pick, page.camera]) {
    input.addEventListener("change", () => {
      classifyFirst([...input.files]);
      input.value = ""; // so that the same photo can be chosen again
    });
  }
  page.heatmap.addEventListener("change", () => showHeatmap(page.heatmap.checked));
  window.addEventListener("paste", (event) => {
    classifyFirst([...event.clipboardData.files], "There is no image on the clipboard.");
  });
  listenForDrops();
}

function listenForDrops() {
  let depth = 0; // dragenter and dragleave fire for every element on the way
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
    classifyFirst([...event.dataTransfer.files], "That was not a file. Save the image first, then drop the file.");
  });
}

async function introduce() {
  const details = await model;
  const count = details.classes.length.toLocaleString("en");
  page.title.textContent = document.title = details.name;
  page.model.textContent = `${details.name}, version ${details.version} · ${count} ${details.classes.length === 1 ? "class" : "classes"}`;
  page.model.title = details.digest;
  if (page.photo.hidden) page.result.replaceChildren(...introduction(details));
}

if (/Mac|iPhone|iPad/.test(navigator.platform)) page.modifier.textContent = "⌘";
onKeyNeeded(() => {
  page.result.replaceChildren();
  return askForKey({ form: page.key, field: page["key-field"], note: page["key-note"] });
});
model = fetchModel();
listen();
introduce().catch((error) => {
  if (!(error instanceof ServiceError)) throw error;
  page.model.textContent = "No model";
  showError(error.message);
});
