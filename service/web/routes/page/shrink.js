// Makes a large photo smaller before it is uploaded. The service reduces it to a few hundred pixels anyway.

const LONG_UPLOAD_BYTES = 1e6; // what is not longer is sent as it is
// Sides that the service still halves or more: the pixels of the model then hardly depend on how the browser reduces.
const MARGIN = 3;
const JPEG_QUALITY = 0.95;
const WORTHWHILE = 0.8; // part of the bytes

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
  try {
    // As the service does: upright, and without a conversion of colours.
    bitmap = await createImageBitmap(photo, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    return original;
  }
  const size = uploadSize(bitmap, pixels);
  const blob = await encode(bitmap, size);
  bitmap.close();
  return blob && blob.size < WORTHWHILE * photo.size ? { blob, size } : original;
}

/** The size at which an image of this size is uploaded: not larger than it is, and with a margin over what the model needs. */
export function uploadSize({ width, height }, { mode, size, resize_short: resizeShort }) {
  const needed = mode === "pad" ? size / Math.max(width, height) : resizeShort / Math.min(width, height);
  const scale = Math.min(1, MARGIN * needed);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Draw a bitmap, image or frame of a video at a size, as JPEG; null if the browser cannot. */
export function encode(source, { width, height }) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (!context) return Promise.resolve(null);
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // the service lays transparent images on white, too
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY); });
}
