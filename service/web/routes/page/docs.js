// /docs: every route of the OpenAPI document, with a form that sends a request.

import { keyHeaders, storeKey } from "./api_key.js";
import { PHOTO_PLACEHOLDER, example, isBinary } from "./docs_schema.js";
import { element } from "./element.js";

const FORM = "multipart/form-data";
const SHOWN_HEADERS = ["content-type", "retry-after", "server-timing", "x-request-id"];

async function start() {
  const api = await fetchJson("openapi.json");
  const needsKey = Object.values(api.paths).some((item) => Object.values(item).some(({ security }) => security));
  document.getElementById("key").hidden = !needsKey;
  document.getElementById("key").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("key-field").addEventListener("input", (event) => storeKey(event.target.value));
  const list = document.getElementById("operations");
  for (const [path, { parameters = [], ...methods }] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      list.append(operationElement(api, { path, method: method.toUpperCase(), operation, parameters: [...parameters, ...operation.parameters] }));
    }
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

async function fetchJson(path) {
  const response = await fetch(path, { headers: keyHeaders() });
  if (!response.ok) throw new Error(`${path} has the status ${response.status}.`);
  return response.json();
}

function operationElement(api, { path, method, operation, parameters }) {
  const details = element("details", "operation",
    element("summary", "", element("span", "method", method), element("h2", "", path), element("span", "what", operation.summary)));
  details.id = operation.operationId;
  // What is inside is made when it is opened: there may be many.
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    details.append(element("div", "inside",
      element("p", "", operation.description),
      requestForm(api, { path, method, operation, parameters }),
      element("h3", "", "Responses"),
      element("ul", "statuses", ...Object.entries(operation.responses).map(([status, response]) => statusItem(api, status, response))),
      ...exampleBlocks(api, operation)));
  });
  return details;
}

function statusItem(api, status, response) {
  const { description } = response.$ref ? api.components.responses[status] : response;
  return element("li", "", element("b", "", status), ` ${description}`);
}

function exampleBlocks(api, { responses }) {
  const schema = responses[200].content?.["application/json"]?.schema;
  if (!schema) return [];
  return [element("h3", "", "Shape of a response"), block(JSON.stringify(example(schema, api, true), null, 2))];
}

function requestForm(api, { path, method, operation, parameters }) {
  const fields = parameters.map((parameter) => ({ parameter, control: parameterControl(parameter) }));
  const body = operation.requestBody ? bodyControls(api, operation.requestBody.content) : null;
  const answer = element("div", "answer");
  const button = element("button", "button", "Send");
  button.type = "submit";
  answer.setAttribute("aria-live", "polite");
  const form = element("form", "",
    ...fields.map(({ parameter: { name, description }, control }) => labelled(name, control, description)),
    ...(body?.elements ?? []), button, answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await send({ path, method, fields, body }, answer);
    button.disabled = false;
  });
  if (parameters.some(({ in: place }) => place === "path")) fillModel(fields);
  return form;
}

function parameterControl({ in: place, schema }) {
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const control = element(choices ? "select" : "input", "");
  if (choices) control.append(...["", ...choices].map((choice) => element("option", "", choice)));
  if ("default" in schema) control.value = String(schema.default);
  control.required = place === "path";
  return control;
}

/** The path names the model: start with the one that is there. */
async function fillModel(fields) {
  const model = await fetchJson("v1/model").catch(() => ({}));
  for (const { parameter, control } of fields) {
    if (parameter.in === "path" && !control.value) control.value = model[parameter.name] ?? "";
  }
}

/** Controls for a body of one of several media types, and a function that makes the chosen one. */
function bodyControls(api, content) {
  const type = element("select", "", ...Object.keys(content).map((name) => element("option", "", name)));
  const file = element("input", "");
  file.type = "file";
  const text = element("textarea", "");
  text.spellcheck = false;
  const textField = labelled("body", text);
  const choose = () => {
    const { schema } = content[type.value];
    textField.hidden = type.value === FORM || isBinary(schema, api);
    if (!textField.hidden) text.value = JSON.stringify(example(schema, api), null, 2);
  };
  type.addEventListener("change", choose);
  choose();
  const make = async () => {
    const [photo] = file.files;
    if (type.value !== FORM) {
      const value = textField.hidden ? photo ?? "" : text.value.replace(PHOTO_PLACEHOLDER, photo ? await base64(photo) : "");
      return { body: value, headers: { "Content-Type": type.value } };
    }
    const form = new FormData();
    if (photo) form.append("file", photo);
    return { body: form, headers: {} }; // the browser names the boundary
  };
  return { elements: [labelled("Content-Type", type), labelled("photo", file), textField], make };
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let start = 0; start < bytes.length; start += 0x8000) text += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  return btoa(text);
}

async function send({ path, method, fields, body }, answer) {
  const given = (place) => fields.filter(({ parameter, control }) => parameter.in === place && control.value !== "")
    .map(({ parameter, control }) => [parameter.name, control.value]);
  let url = path.slice(1); // below the document, which may have a prefix
  for (const [name, value] of given("path")) url = url.replace(`{${name}}`, encodeURIComponent(value));
  const query = new URLSearchParams(given("query")).toString();
  const made = body ? await body.make() : { headers: {} };
  const start = performance.now();
  try {
    const response = await fetch(query ? `${url}?${query}` : url, {
      method, body: made.body, headers: { ...made.headers, ...Object.fromEntries(given("header")), ...keyHeaders() },
    });
    await showAnswer(response, performance.now() - start, answer);
  } catch (error) {
    answer.replaceChildren(element("p", "error", `The request failed: ${error.message}`));
  }
}

async function showAnswer(response, milliseconds, answer) {
  const kind = response.headers.get("content-type") ?? "";
  const headers = SHOWN_HEADERS.filter((name) => response.headers.has(name)).map((name) => `${name}: ${response.headers.get(name)}`);
  answer.replaceChildren(
    element("h3", "", `${response.status} ${response.statusText} in ${Math.round(milliseconds)} ms`.replace("  ", " ")),
    block(headers.join("\n")), await bodyElement(response, kind));
}

async function bodyElement(response, kind) {
  if (kind.startsWith("image/")) {
    const image = element("img", "");
    image.src = URL.createObjectURL(await response.blob());
    image.alt = "The image that the service returned";
    return image;
  }
  const text = await response.text();
  return block(kind.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text);
}

function block(text) {
  const found = element("pre", "", text);
  found.tabIndex = 0; // so that it can be scrolled with the keyboard
  return found;
}

let fieldCount = 0; // makes ids

function labelled(name, control, description = "") {
  control.id = `field-${fieldCount += 1}`;
  const label = element("label", "", name);
  label.htmlFor = control.id;
  const field = element("div", "field", label, control);
  if (description) {
    const note = element("span", "facts", description);
    note.id = `${control.id}-note`;
    control.setAttribute("aria-describedby", note.id);
    field.append(note);
  }
  return field;
}

start().catch((error) => {
  document.getElementById("error").textContent = `The routes cannot be shown: ${error.message} Load this page again.`;
});
