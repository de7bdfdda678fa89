// The photos that were chosen. They are classified one after the other.

import { modelDetails, modelOf, refreshModel } from "./model.js";
import { ServiceError, fetchInput, predict } from "./service.js";
import { shrink } from "./shrink.js";

// What is happening to a photo.
export const WAITING = "waiting";
export const PREPARING = "preparing";
export const UPLOADING = "uploading";
export const LOOKING = "looking";
export const DONE = "done";
export const FAILED = "failed";

const BAD_REQUEST = 400;

/** A photo and what is known of it. */
export class Photo {
  constructor(file) {
    this.file = file;
    this.name = file.name || "photo";
    this.url = URL.createObjectURL(file); // of what the page shows
    this.size = null; // {width, height} of what the page shows, upright, pixels
    this.isInput = false; // whether the page shows what the model sees, since the browser cannot show the photo
    this.reset();
  }

  reset() {
    this.state = WAITING;
    this.sent = 0; // fraction of the upload
    this.sentSize = null; // {width, height} if a smaller copy was sent
    this.prediction = null;
    this.model = null; // the one that made the prediction
    this.error = "";
    this.canRetry = false;
  }

  get isFinished() {
    return this.state === DONE || this.state === FAILED;
  }

  forget() {
    URL.revokeObjectURL(this.url);
  }
}

/**
 * Classify every photo that is not finished. What fails is noted in its photo.
 *
 * @param {Photo[]} photos
 * @param {{signal: AbortSignal, onChange: () => void}} options
 */
export async function classifyAll(photos, { signal, onChange }) {
  for (const photo of photos.filter(({ isFinished }) => !isFinished)) {
    const enter = (state) => {
      photo.state = state;
      onChange();
    };
    try {
      await classify(photo, { signal, enter, onProgress: (fraction) => { photo.sent = fraction; } });
      if (signal.aborted) return;
      enter(DONE);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ServiceError)) throw error;
      Object.assign(photo, { error: error.message, canRetry: error.canRetry });
      enter(FAILED);
    }
  }
}

/** Mark every photo that is not finished as cancelled. */
export function cancelRest(photos) {
  for (const photo of photos.filter(({ isFinished }) => !isFinished)) {
    Object.assign(photo, { state: FAILED, error: "Cancelled.", canRetry: true });
  }
}

async function classify(photo, { signal, enter, onProgress }) {
  enter(PREPARING);
  if (photo.file.size === 0) throw new ServiceError("This file is empty. Choose another photo.");
  photo.size ??= await decodedSize(photo.url);
  const model = await modelDetails();
  const { blob, size } = photo.size ? await shrink(photo.file, model.pixels) : { blob: photo.file, size: null };
  photo.sentSize = size;
  checkLength(blob, model.limits.max_body_bytes);
  enter(UPLOADING);
  photo.prediction = await predictWithHeatmap(blob, model, {
    signal,
    onProgress: (fraction) => {
      onProgress(fraction);
      enter(fraction < 1 ? UPLOADING : LOOKING);
    },
  });
  photo.model = await modelOf(photo.prediction);
  if (!photo.size) await showInput(photo, blob, signal);
}

/** Ask for a heatmap if the model gives one. If another model took its place that gives none, ask again without. */
async function predictWithHeatmap(blob, model, options) {
  try {
    return await predict(blob, { ...options, heatmap: model.heatmaps });
  } catch (error) {
    if (error.status !== BAD_REQUEST || !model.heatmaps) throw error;
    const present = await refreshModel();
    if (present.heatmaps) throw error;
    return predict(blob, { ...options, heatmap: false });
  }
}

function checkLength({ size }, limit) {
  if (size <= limit) return;
  throw new ServiceError(`This file is ${megabytes(size)}; the limit is ${megabytes(limit)}. Choose a smaller photo.`);
}

/** Show what the model sees of a photo that the browser cannot show (such as HEIC). The answer does not depend on it. */
async function showInput(photo, blob, signal) {
  const input = await fetchInput(blob, { signal }).catch((error) => {
    if (error instanceof ServiceError) return null;
    throw error;
  });
  if (!input) return;
  photo.forget();
  photo.url = URL.createObjectURL(input);
  photo.size = await decodedSize(photo.url);
  photo.isInput = true;
}

/** Width and height of an image, upright, in pixels; null if the browser cannot decode it. */
async function decodedSize(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    return null;
  }
  return { width: image.naturalWidth, height: image.naturalHeight };
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
}
