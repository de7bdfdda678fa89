// Makes a large photo smaller before it is uploaded. The service reduces it to a few hundred pixels anyway.

const LONG_UPLOAD_BYTES = 1e6; // what is not longer is sent as it is
// The service reduces what it gets by this or more, as it does with a JPEG that it decodes at a smaller size.
const MARGIN = 2;
const JPEG_QUALITY = 0.95;
const WORTHWHILE = 0.8; // part of the bytes
const MAX_CANVAS_PIXELS = 16e6; // a larger canvas stays empty on some phones

/**
 * Make a photo smaller if it is long. One that the browser cannot decode stays as it is.
 *
 * @param {Blob} photo
 * @param {{mode: string, size: number, resize_short: number}} pixels how an image becomes the model's input
 * @returns {Promise<{blob: Blob, size: {width: number, height: number} | null}>} what to upload, and its size in pixels
 *   if it is not the photo itself
 */
export async function shrink(photo, pixels) {
  const original = { blob: photo, size: null };
  if (photo.size <= LONG_UPLOAD_BYTES) return original;
  let bitmap;
  let canvas;
  try {
    // As the service does: upright, and without a conversion of colours.
    bitmap = await createImageBitmap(photo, { imageOrientation: "from-image", colorSpaceConversion: "none" });
    canvas = halved(bitmap, halvings(bitmap, pixels));
  } catch {
    return original;
  } finally {
    bitmap?.close();
  }
  const blob = await encode(canvas);
  if (!blob || blob.size > WORTHWHILE * photo.size) return original;
  return { blob, size: { width: canvas.width, height: canvas.height } };
}

/** How often a photo can be halved so that it still has the margin over what the model needs. */
export function halvings({ width, height }, { mode, size, resize_short: resizeShort }) {
  const factor = mode === "pad" ? Math.max(width, height) / size : Math.min(width, height) / resizeShort;
  return Math.max(0, Math.floor(Math.log2(factor / MARGIN)));
}

/**
 * Draw a photo or a frame of a video on a canvas, halved some times. By halves each pixel is the mean of four, which is
 * what a JPEG decoder does at a smaller size; a browser's own way to draw much smaller differs more from the service's.
 *
 * @throws {RangeError} if even then it is too large for a canvas
 */
export function halved(source, times) {
  let size = { width: source.videoWidth ?? source.width, height: source.videoHeight ?? source.height };
  let canvas = null;
  for (let time = 0; time <= times; time++) {
    if (time > 0) size = { width: Math.ceil(size.width / 2), height: Math.ceil(size.height / 2) };
    const isNeeded = time > 0 || times === 0;
    if (isNeeded && size.width * size.height <= MAX_CANVAS_PIXELS) canvas = drawn(canvas ?? source, size);
  }
  if (canvas === null) throw new RangeError("too large for a canvas");
  return canvas;
}

/** Encode a canvas as JPEG; null if the browser cannot. */
export function encode(canvas) {
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY); });
}

function drawn(source, { width, height }) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // the service lays transparent images on white, too
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}
