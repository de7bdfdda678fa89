// Talks to the service. What goes wrong becomes a sentence.

import { keyHeaders } from "./key.js";

export class Refusal extends Error {}

const UNREACHABLE = "The service cannot be reached. It may have stopped, or the network is down.";
const RETRY_MS = 1000;
const UNAUTHORIZED = 401;

let askForKey = null; // gives the promise of a person's answer
let asking = null; // that promise, so that two requests do not ask twice

/** What to do when the service wants a key. */
export function onKeyWanted(ask) {
  askForKey = ask;
}

/** The model's record; waits for as long as the service is still loading. */
export async function fetchModel() {
  for (;;) {
    const response = await call("v1/model", {});
    if (response.ok) return response.json();
    if (response.status !== 503) throw await refusal(response);
    await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
  }
}

/** What the model says of a photo. */
export async function predict(photo, { heatmap, signal }) {
  return (await send(photo, `heatmap=${heatmap}`, signal)).json();
}

/** A PNG of what the model sees of a photo. */
export async function fetchInput(photo, { signal }) {
  return (await send(photo, "return=input", signal)).blob();
}

async function send(photo, query, signal) {
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await call(`v1/predict?${query}`, { method: "POST", body: photo, headers, signal });
  if (!response.ok) throw await refusal(response);
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
    throw new Refusal(UNREACHABLE);
  }
}

async function refusal(response) {
  try {
    const problem = await response.json();
    const id = response.status >= 500 ? ` Request id: ${problem.request_id}` : "";
    return new Refusal(`${problem.detail}${id}`);
  } catch {
    return new Refusal(`The service answered with status ${response.status}, which this page does not understand.`);
  }
}
