// Sends requests to the service. Every error becomes a sentence.

import { keyHeaders } from "./api_key.js";

export class ServiceError extends Error {}

const UNREACHABLE = "The service cannot be reached. It may have stopped, or the network is down.";
const RETRY_MS = 1000;
const UNAUTHORIZED = 401;

let askForKey = null; // returns a promise that resolves when a key was entered
let asking = null; // that promise, so that two requests do not ask twice

/** Set what to do when the service needs a key. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** Fetch the details of the model; waits while the service is loading. */
export async function fetchModel() {
  for (;;) {
    const response = await call("v1/model", {});
    if (response.ok) return response.json();
    if (response.status !== 503) throw await serviceError(response);
    await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
  }
}

/** Classify a photo. */
export async function predict(photo, { heatmap, signal }) {
  return (await send(photo, `heatmap=${heatmap}`, signal)).json();
}

/** Fetch a PNG of what the model sees of a photo. */
export async function fetchInput(photo, { signal }) {
  return (await send(photo, "return=input", signal)).blob();
}

async function send(photo, query, signal) {
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await call(`v1/predict?${query}`, { method: "POST", body: photo, headers, signal });
  if (!response.ok) throw await serviceError(response);
  return response;
}

async function call(path, options) {
  for (;;) {
    const response = await fetchOnce(path, options);
    if (response.status !== UNAUTHORIZED) return response;
    asking ??= askForKey().finally(() => { asking = null; });
    await asking;
  }
}

async function fetchOnce(path, options) {
  try {
    return await fetch(path, { ...options, headers: { ...options.headers, ...keyHeaders() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(UNREACHABLE);
  }
}

async function serviceError(response) {
  try {
    const problem = await response.json();
    const id = response.status >= 500 ? ` Request id: ${problem.request_id}` : "";
    return new ServiceError(`${problem.detail}${id}`);
  } catch {
    return new ServiceError(`The service responded with status ${response.status}, which this page does not understand.`);
  }
}
