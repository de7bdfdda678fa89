// The model that the service has now. Its details are fetched once, and again when an answer comes from another model.

import { namer } from "./names.js";
import { fetchModel } from "./service.js";

let pending = null; // promise of the details; null if they must be fetched
let onNew = () => {};

/** Set what to do with the details whenever they are fetched. */
export function onNewModel(handle) {
  onNew = handle;
}

/** The details of the model. A failure is not kept: the next call asks again. */
export function modelDetails() {
  pending ??= fetchDetails().catch((error) => {
    pending = null;
    throw error;
  });
  return pending;
}

/** Ask for the details again, such as after the service was started with another bundle. */
export function refreshModel() {
  pending = null;
  return modelDetails();
}

/**
 * The details of the model that gave an answer. If the service does not give them (two models may take turns during an
 * update), what the answer itself says of its model.
 */
export async function modelOf(prediction) {
  const isIts = (details) => details.digest === prediction.model.digest;
  const known = await modelDetails().catch(() => null);
  if (known && isIts(known)) return known;
  const fetched = await refreshModel().catch(() => null);
  return fetched && isIts(fetched) ? fetched : fromAnswer(prediction);
}

function fromAnswer(prediction) {
  const labels = prediction.predictions.map(({ label }) => label);
  return { ...prediction.model, thresholds: null, nameOf: namer(labels) };
}

async function fetchDetails() {
  const details = await fetchModel();
  const complete = { ...details, nameOf: namer(details.classes) };
  onNew(complete);
  return complete;
}
