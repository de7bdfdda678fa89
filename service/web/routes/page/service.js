// Sends requests to the service. Every error becomes a sentence that says what to do.

import { keyHeaders } from "./api_key.js";

/** `canRetry` says whether the same request may succeed later. */
export class ServiceError extends Error {
  constructor(message, { status = 0, canRetry = false } = {}) {
    super(message);
    this.status = status;
    this.canRetry = canRetry;
  }
}

const UNREACHABLE = "The service cannot be reached. It may have stopped, or the network is down. Check your connection, then try again.";
const RETRY_MS = 1000;
const UNAUTHORIZED = 401;
const UNAVAILABLE = 503;
const SECONDS = new Intl.NumberFormat("en", { style: "unit", unit: "second", unitDisplay: "long" });

let askForKey = null; // returns a promise that resolves when a key was entered
let asking = null; // that promise, so that two requests do not ask twice

/** Set what to do when the service needs a key. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** Fetch the details of the model; waits while the service is loading. */
export async function fetchModel() {
  for (;;) {
    const response = await fetchJson("v1/model");
    if (response.ok) return response.json();
    if (response.status !== UNAVAILABLE) throw await serviceError(response);
    await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
  }
}

/**
 * Classify a photo.
 *
 * @param {Blob} photo
 * @param {{heatmap: boolean, signal: AbortSignal, onProgress?: (fraction: number) => void}} options `onProgress` gets the
 *   fraction of the photo that was sent
 */
export async function predict(photo, { heatmap, signal, onProgress }) {
  return (await send(photo, `heatmap=${heatmap}`, { signal, onProgress })).json();
}

/** Fetch a PNG of what the model sees of a photo. */
export async function fetchInput(photo, { signal }) {
  return (await send(photo, "return=input", { signal })).blob();
}

async function send(photo, query, options) {
  const response = await withKey(() => upload(`v1/predict?${query}`, photo, options));
  if (!response.ok) throw await serviceError(response);
  return response;
}

function fetchJson(path) {
  return withKey(async () => {
    try {
      return await fetch(path, { headers: keyHeaders() });
    } catch {
      throw new ServiceError(UNREACHABLE, { canRetry: true });
    }
  });
}

async function withKey(request) {
  for (;;) {
    const response = await request();
    if (response.status !== UNAUTHORIZED) return response;
    asking ??= askForKey().finally(() => { asking = null; });
    await asking;
  }
}

/** POST a body. Only XMLHttpRequest says how much of it was sent. Resolves to what `fetch` would. */
function upload(path, body, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("POST", path);
    request.responseType = "blob";
    request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(keyHeaders())) request.setRequestHeader(name, value);
    if (onProgress) {
      request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total ? loaded / total : 1));
      request.upload.addEventListener("load", () => onProgress(1));
    }
    request.addEventListener("load", () => resolve(asResponse(request)));
    request.addEventListener("error", () => reject(new ServiceError(UNREACHABLE, { canRetry: true })));
    request.addEventListener("abort", () => reject(new DOMException("The request was cancelled.", "AbortError")));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", abort));
    signal.throwIfAborted();
    signal.addEventListener("abort", abort);
    request.send(body);
  });
}

function asResponse(request) {
  const headers = { "Retry-After": request.getResponseHeader("Retry-After") ?? "" };
  return new Response(request.response, { status: request.status, headers });
}

async function serviceError(response) {
  const { status } = response;
  const canRetry = status === 408 || status === 429 || status >= 500;
  const [detail, id] = await problemOf(response);
  const text = [detail, advice(response), ...(status >= 500 && id ? [`Request id: ${id}`] : [])];
  return new ServiceError(text.filter(Boolean).join(" "), { status, canRetry });
}

/** The sentence and the request id of a problem. A proxy on the way answers with a page of its own. */
async function problemOf(response) {
  try {
    const problem = await response.json();
    if (problem.detail) return [problem.detail, problem.request_id];
  } catch { /* not a problem of the service */ }
  return [`The server responded with status ${response.status}.`, ""];
}

function advice({ status, headers }) {
  const seconds = Number(headers.get("Retry-After"));
  if (status === 408) return "Try again, with a faster connection if there is one.";
  if (status === 413) return "Choose a smaller photo.";
  if (status === 415 || status === 422) return "Choose another photo.";
  if (status === 429 || status >= 500) return seconds > 0 ? `Try again in ${SECONDS.format(seconds)}.` : "Try again in a moment.";
  return "";
}
