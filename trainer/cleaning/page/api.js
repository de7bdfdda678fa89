// Requests to the server of this page.

export const ITEMS_A_REQUEST = 200; // the most that the server gives for one list of ids

/** What went wrong, as a sentence for a person. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number}} options  status of HTTP; 0 if there was no answer
   */
  constructor(message, { status = 0 } = {}) {
    super(message);
    this.status = status;
  }
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError("The server does not answer. Start “fieldguide clean” again on the same run.");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(problemText(response.status, body), { status: response.status });
  if (body === null) throw new ApiError("The server's answer was cut off.");
  return body;
}

function problemText(status, body) {
  if (status === 401 || status === 403) {
    return body?.detail ?? "The server does not know this browser. Open the address that “fieldguide clean” printed.";
  }
  return body?.detail ?? `The server answered with status ${status}.`;
}

function post(path, body) {
  return request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

export const getState = () => request("/api/state");
export const getDetails = (id) => request(`/api/images/${id}`);
export const getSummary = () => request("/api/summary");
export const postEdits = (body) => post("/api/edits", body);
export const postUndo = (body) => post("/api/undo", body);
export const postFinish = (body) => post("/api/finish", body);

/**
 * The ids of a queue, in its order.
 *
 * @param {{queue: string, label: string, search: string, unjudged: boolean}} place
 * @returns {Promise<number[]>}
 */
export async function getIds({ queue, label, search, unjudged }) {
  const query = new URLSearchParams({ name: queue });
  if (label) query.set("class", label);
  if (search) query.set("search", search);
  if (unjudged) query.set("hide_judged", "true");
  return (await request(`/api/ids?${query}`)).ids;
}

/** Items, or groups, by their ids: at most ITEMS_A_REQUEST of them. */
export async function getItems(queue, ids) {
  return (await request(`/api/queue?${new URLSearchParams({ name: queue, ids: ids.join(",") })}`)).items;
}

export const thumbUrl = ({ id, v }) => `/images/${id}/thumb?v=${v}`;
export const photoUrl = ({ id, v }) => `/images/${id}/photo?v=${v}`;
export const heatmapUrl = ({ id, v }, label) => `/images/${id}/heatmap?${new URLSearchParams({ v, label })}`;
