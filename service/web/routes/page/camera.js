// The live camera: asks for it when a person wants it, and classifies one frame after the other.

import { modelDetails, modelOf } from "./model.js";
import { ServiceError, predict } from "./service.js";
import { encode, halved, halvings } from "./shrink.js";

const FRAME_MS = 500; // from one frame to the next, at least
const AFTER_FAILURE_MS = 2000;

/** Start the camera in a video element. Throws ServiceError with what to do if that fails. */
export async function startCamera(video) {
  if (!navigator.mediaDevices) throw new ServiceError("A page may use the camera only over HTTPS or on this machine itself.");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play();
  } catch (error) {
    throw new ServiceError(explanation(error));
  }
}

export function stopCamera(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/**
 * Classify frames until `signal` is aborted.
 *
 * @param {HTMLVideoElement} video
 * @param {{signal: AbortSignal, onAnswer: (photo: object) => void, onFailure: (error: ServiceError) => void}} options
 *   `onAnswer` gets what `predictionElements` takes
 */
export async function watchCamera(video, { signal, onAnswer, onFailure }) {
  while (!signal.aborted) {
    const start = performance.now();
    let pause = FRAME_MS;
    try {
      const frame = await captureFrame(video);
      const prediction = await predict(frame, { heatmap: false, signal });
      const model = await modelOf(prediction);
      if (!signal.aborted) onAnswer({ prediction, model });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ServiceError)) throw error;
      onFailure(error);
      pause = AFTER_FAILURE_MS;
    }
    await new Promise((resolve) => { setTimeout(resolve, Math.max(0, pause - (performance.now() - start))); });
  }
}

/** The present frame as JPEG, at a size that the model needs. */
export async function captureFrame(video) {
  const { pixels } = await modelDetails();
  return encode(halved(video, halvings({ width: video.videoWidth, height: video.videoHeight }, pixels)));
}

function explanation({ name, message }) {
  if (name === "NotAllowedError") return "The browser may not use the camera. Allow it beside the address of this page, then try again.";
  if (name === "NotFoundError") return "There is no camera.";
  if (name === "NotReadableError") return "The camera is in use by another program. Close that program, then try again.";
  return `The camera cannot be used: ${message}`;
}
