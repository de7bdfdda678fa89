// All that the server knows of single images, fetched before they are shown.

import { getDetails, photoUrl } from "./api.js";

const MOST_KEPT = 60;
const PAUSE_MS = 2000; // if the server did not answer
const LONG_PAUSE_MS = 60_000; // if it said what is wrong with the image

export class DetailsCache {
  #known = new Map(); // id -> {details, promise, photo}

  constructor(store) {
    this.store = store;
  }

  /** The details of an image; undefined if they are not here yet: then they are asked for, and the store says when. */
  get(id) {
    return this.#entry(id).details;
  }

  /** What went wrong when the details were asked for; null if nothing did. */
  error(id) {
    return this.#known.get(id)?.error ?? null;
  }

  /** Fetch the details and the photo of an image that will be shown soon. */
  prefetch(id) {
    if (id !== undefined) this.#entry(id);
  }

  /** Ask again, the next time that they are shown: something else has changed. */
  forget() {
    this.#known.clear();
  }

  #entry(id) {
    let entry = this.#known.get(id);
    if (!entry) {
      entry = { details: undefined, error: null };
      this.#known.set(id, entry);
      this.#fetch(id, entry);
      if (this.#known.size > MOST_KEPT) this.#known.delete(this.#known.keys().next().value);
    }
    return entry;
  }

  async #fetch(id, entry) {
    const { answers } = this.store;
    try {
      const details = await getDetails(id);
      this.store.put("", [...details.neighbours, details], answers);
      Object.assign(entry, { details, photo: loadedImage(photoUrl(details)) });
    } catch (error) {
      entry.error = error;
      setTimeout(() => {
        this.#known.delete(id); // so that it is asked for again
        this.store.notify();
      }, error.status ? LONG_PAUSE_MS : PAUSE_MS);
    }
    this.store.notify();
  }
}

/** An image that the browser fetches and decodes now; as long as it is kept, showing it needs no time. */
function loadedImage(url) {
  const image = new Image();
  image.src = url;
  image.decode().catch(() => {}); // what cannot be decoded is said where it is shown
  return image;
}
