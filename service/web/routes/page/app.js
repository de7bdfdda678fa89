// The page: takes photos from a file, the camera, the clipboard or a drop, asks the service, shows the predictions.

import { showAbout } from "./about.js";
import { askForKey } from "./api_key.js";
import { captureFrame, startCamera, stopCamera, watchCamera } from "./camera.js";
import { modelDetails, onNewModel } from "./model.js";
import { DONE, Photo, cancelRest, classifyAll } from "./photos.js";
import { introduction, predictionElements } from "./prediction.js";
import { ServiceError, onKeyNeeded } from "./service.js";
import { showHeatmap, showPhoto, showProgress } from "./stage.js";
import { saveCsv, showStrip } from "./strip.js";
import { wording } from "./wording.js";

const MAX_PHOTOS = 100; // at once; for more there is a command

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((found) => [found.id, found]));

let photos = []; // the photos that were chosen last
let selected = null; // the one that is shown
let shown = ""; // which state of it the right side shows
let work = null; // AbortController of the work on them, or of the live camera
let introduced = null; // details of the model that the page names

/** Take new photos in place of those before. */
function take(files) {
  clear();
  photos = files.slice(0, MAX_PHOTOS).map((file) => new Photo(file));
  [selected] = photos;
  const count = files.length.toLocaleString("en");
  page["strip-note"].textContent = files.length > MAX_PHOTOS
    ? `Only the first ${MAX_PHOTOS} of ${count} photos were taken. For more there is the command “fieldguide predict”.` : "";
  return run();
}

/** Stop what is going on, and forget the photos before. */
function clear() {
  work?.abort();
  work = null;
  showLive(false);
  for (const photo of photos) photo.forget();
  photos = [];
  selected = null;
  shown = "";
}

/** Classify what is not finished. */
async function run() {
  const { signal } = work = new AbortController();
  say("");
  render();
  page.status.textContent = photos.length > 1 ? `Processing ${photos.length} photos.` : "Processing the photo.";
  await classifyAll(photos, { signal, onChange: () => { if (!signal.aborted) render(); } });
  if (signal.aborted) return;
  work = null;
  render();
  page.status.textContent = summary();
  (page.result.querySelector(".bars li") ?? page.error).scrollIntoView({ block: "nearest" });
}

function cancel() {
  work?.abort();
  work = null;
  cancelRest(photos);
  render();
  page.pick.focus();
}

/** Show everything as it is now. */
function render() {
  showPhoto(page, selected);
  showProgress(page, photos);
  showStrip(page, photos, { selected, onSelect: select });
  const { state, isFinished } = selected;
  showWaiting(!isFinished);
  if (!isFinished || shown === `${selected.url} ${state}`) return;
  shown = `${selected.url} ${state}`;
  say(selected.error, { canRetry: selected.canRetry });
  page.result.replaceChildren(...(state === DONE ? predictionElements(selected) : []));
  nameTab();
}

/** The title of the tab: the answer that is shown, and the model. */
function nameTab() {
  const name = introduced?.name ?? "fieldguide";
  document.title = selected?.state === DONE ? `${wording(selected).short} · ${name}` : name;
}

function showWaiting(isWaiting) {
  page.prediction.setAttribute("aria-busy", String(isWaiting));
  page.prediction.classList.toggle("waiting", isWaiting);
}

function select(photo) {
  selected = photo;
  shown = "";
  say("");
  render();
}

/** Show the camera in place of a photo, and classify what it sees until it is stopped. */
async function useCamera() {
  startAnew();
  const { signal } = work = new AbortController();
  try {
    await startCamera(page.video);
    if (signal.aborted) {
      stopCamera(page.video);
      return;
    }
    showLive(true);
    page.shoot.focus();
    await watchCamera(page.video, {
      signal,
      onAnswer: (answer) => {
        say("");
        page.result.replaceChildren(...predictionElements(answer));
      },
      onFailure: ({ message }) => say(message),
    });
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    say(error.message);
  }
}

async function shoot() {
  const frame = await captureFrame(page.video);
  take([new File([frame], "camera.jpg", { type: frame.type })]);
  page.pick.focus();
}

function stopLive() {
  startAnew();
  page.live.focus();
}

/** The page as on the first visit. */
function startAnew() {
  clear();
  say("");
  showPhoto(page, null);
  showWaiting(false);
  showProgress(page, photos);
  showStrip(page, photos, { selected, onSelect: select });
  page.result.replaceChildren(...(introduced ? introduction(introduced) : []));
  nameTab();
}

function showLive(isLive) {
  if (!isLive) stopCamera(page.video);
  page.result.classList.toggle("live", isLive);
  page["live-photo"].hidden = page["live-actions"].hidden = !isLive;
  page.actions.hidden = isLive;
  page.pick.hidden = isLive;
  if (isLive) page.zone.hidden = true;
}

function summary() {
  if (photos.length === 1) return selected.prediction ? wording(selected).sentence : "";
  const count = photos.filter(({ state }) => state === DONE).length;
  return `${count} of ${photos.length} photos are classified.`;
}

/** Show a message beside what is there; an answer stays. */
function say(message, { canRetry = false } = {}) {
  page.error.textContent = message;
  page.retry.hidden = !canRetry;
}

function retry() {
  if (introduced === null && !photos.length) {
    introduce();
    return;
  }
  for (const photo of photos.filter(({ canRetry }) => canRetry)) photo.reset();
  shown = "";
  run();
}

function takeOrSay(files, messageIfNone) {
  const images = files.filter(({ type }) => type === "" || type.startsWith("image/")); // "": a type that the browser does not know
  if (images.length) take(images);
  else say(files.length ? `“${files[0].name}” is not an image.` : messageIfNone);
}

function listen() {
  for (const input of [page.pick, page.camera]) {
    input.addEventListener("change", () => {
      if (input.files.length) take([...input.files]);
      input.value = ""; // so that the same photo can be chosen again
    });
  }
  page.cancel.addEventListener("click", cancel);
  page.retry.addEventListener("click", retry);
  page.heatmap.addEventListener("change", () => showHeatmap(page, selected));
  page.csv.addEventListener("click", () => saveCsv(photos));
  page.live.hidden = !("camera" in document.body.dataset);
  page.live.addEventListener("click", useCamera);
  page.shoot.addEventListener("click", shoot);
  page.stop.addEventListener("click", stopLive);
  window.addEventListener("paste", (event) => {
    if (event.target.matches("input:not([type=file]), textarea")) return;
    takeOrSay([...event.clipboardData.files], "There is no image on the clipboard.");
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
    takeOrSay([...event.dataTransfer.files], "That was not a file. Save the image first, then drop the file.");
  });
}

/** Name the model on the page; whenever it turns out to be another one, again. */
function nameModel(details) {
  if (introduced?.digest === details.digest) return;
  introduced = details;
  const count = details.classes.length.toLocaleString("en");
  page.title.textContent = details.name;
  nameTab();
  page.model.textContent = `${details.name}, version ${details.version} · ${count} ${details.classes.length === 1 ? "class" : "classes"}`;
  page.model.title = details.digest;
  showAbout(page, details);
  if (selected === null) page.result.replaceChildren(...introduction(details));
}

/** Fetch the model. If that fails, say so; the next photo, or the network when it is back, tries again. */
async function introduce() {
  say("");
  try {
    await modelDetails();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    page.model.textContent = "No model";
    say(error.message, { canRetry: error.canRetry });
  }
}

if (/Mac|iPhone|iPad/.test(navigator.platform)) page.modifier.textContent = "⌘";
onKeyNeeded(() => {
  page.result.replaceChildren();
  return askForKey({ form: page.key, field: page["key-field"], note: page["key-note"] });
});
onNewModel(nameModel);
listen();
window.addEventListener("online", () => { if (introduced === null) introduce(); });
introduce();
