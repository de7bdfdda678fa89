// The left side of the page: the photo that is looked at, its heatmap, and how far the work is.

import { drawHeatmap } from "./heatmap.js";
import { DONE, FAILED, LOOKING, PREPARING, UPLOADING } from "./photos.js";

const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });

/** Show a photo, or with null the invitation to choose one. */
export function showPhoto(page, photo) {
  // A photo that neither the browser nor the service can read.
  const isShown = photo !== null && !(photo.state === FAILED && !photo.size);
  page.zone.hidden = isShown;
  page.photo.hidden = page.again.hidden = !isShown;
  page.pick.setAttribute("aria-label", isShown ? "Another photo" : "Choose a photo");
  if (!isShown) return;
  if (page.preview.getAttribute("src") !== photo.url) page.preview.src = photo.url;
  page.preview.alt = photo.state === DONE ? `The photo ${photo.name}` : "The photo that you chose";
  page.photo.classList.toggle("failed", photo.state === FAILED);
  page["heatmap-switch"].hidden = !photo.prediction?.heatmap;
  showHeatmap(page, photo);
}

/** Draw the heatmap of the photo, if it has one and the switch is on. */
export function showHeatmap(page, photo) {
  const { heatmap, image, predictions } = photo.prediction ?? {};
  page.overlay.hidden = page.caption.hidden = !(heatmap && page.heatmap.checked);
  if (page.overlay.hidden) return;
  const seen = photo.isInput ? { values: heatmap.values, box: [0, 0, photo.size.width, photo.size.height] } : heatmap;
  const shaded = drawHeatmap(page.overlay, seen, photo.isInput ? photo.size : image);
  page.caption.textContent = `Brighter areas count more for “${photo.model.nameOf(predictions[0].label)}”.`
    + (shaded ? " The model does not see the shaded area." : "");
}

/** Show how far the work is, as long as a photo is not finished. */
export function showProgress(page, photos) {
  const photo = photos.find(({ isFinished }) => !isFinished); // the first one: they are processed in order
  page.progress.hidden = !photo;
  page.actions.hidden = Boolean(photo);
  page.busy.hidden = !photo || page.photo.hidden;
  if (!photo) return;
  const step = stepOf(photo);
  page["progress-text"].textContent = photos.length > 1
    ? `Photo ${photos.indexOf(photo) + 1} of ${photos.length}: ${step.toLowerCase()}` : step;
  const isUpload = photo.state === UPLOADING;
  page.busy.classList.toggle("measured", isUpload);
  page.busy.style.setProperty("--done", isUpload ? photo.sent : 0);
}

function stepOf(photo) {
  if (photo.state === UPLOADING) return `Uploading ${PERCENT.format(photo.sent).replace("%", "\u2009%")}`;
  return { [PREPARING]: "Preparing", [LOOKING]: "Looking" }[photo.state] ?? "Waiting";
}
