// Starts the page: finds its elements, and connects buttons and keys with what they do.

import { App } from "./app.js";
import { COMMANDS, commandOf, isCharacter } from "./commands.js";
import { buildHelp, lettersAreOn } from "./help.js";
import { openAddress, openNextQueue, openPlace, openQueue, searchFor } from "./navigation.js";

const POLL_MS = 4000;
const WORKING_MS = 1000; // while queues are being worked out
const SEARCH_PAUSE_MS = 250;
const SIZE_NAME = "fieldguide-clean-size";
const WIDTHS_REM = { 1: 6.5, 2: 9.5, 3: 13, 4: 18 };

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((part) => [part.id, part]));
const app = new App(page);
let typing = 0; // timer of the search

/** Run a command by its name, or by its key. */
app.run = (name) => {
  if (name.startsWith("queue:")) openQueue(app, name.slice("queue:".length));
  else if (/^[1-9]$/.test(name)) COMMANDS.quick.run(app, name);
  else COMMANDS[name].run(app);
};

function onKey(event) {
  if (event.defaultPrevented || event.isComposing || !app.browsing || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox], [type=range]), textarea")) return onSearchKey(event);
  if ((event.key === "Enter" || event.key === " ") && event.target.closest("button, a, input, summary")) return;
  if (event.key.startsWith("Arrow") && event.target.matches("[type=range]")) return;
  if (isCharacter(event) && !lettersAreOn() && event.key !== "?") return;
  const name = commandOf(event);
  if (!name) return;
  event.preventDefault();
  const run = () => COMMANDS[name].run(app, event.key, { isExtending: event.shiftKey });
  if (app.opening) app.opening.then(run); // it is meant for what comes
  else run();
}

function onSearchKey(event) {
  if (event.key !== "Escape" && event.key !== "Enter") return;
  event.preventDefault();
  search();
  app.focus();
}

/** Narrow the list to what is in the field, if it is not so already. */
function search() {
  clearTimeout(typing);
  const text = page.search.value.trim();
  if (text !== app.place.search) searchFor(app, text);
}

/** The size of thumbnails, remembered by the browser. */
function applySize() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  app.thumbWidth = WIDTHS_REM[page.size.value] * rem;
  localStorage.setItem(SIZE_NAME, page.size.value);
  if (app.browsing) app.render();
}

async function poll() {
  if (document.visibilityState !== "visible" || !app.browsing) return;
  try {
    if (await app.store.refreshState()) await app.refresh();
    page.gone.hidden = true;
  } catch (error) {
    page.gone.textContent = error.message;
    page.gone.hidden = app.store.outbox.hasFailed; // that line says it already
  }
}

async function keepPolling() {
  await poll();
  const isWorking = app.store.state?.queues.some(({ working }) => working);
  setTimeout(keepPolling, isWorking ? WORKING_MS : POLL_MS);
}

function connect() {
  for (const button of document.querySelectorAll("button[data-command]")) {
    if (!button.closest("#groups")) button.addEventListener("click", () => app.run(button.dataset.command));
  }
  document.addEventListener("keydown", onKey);
  // After a click, Enter and Space are for the images again, not for the button. A keyboard's own "click" has no detail.
  document.addEventListener("click", (event) => {
    const isAction = event.target.closest("#actions button, #classes button, .masthead button");
    if (event.detail && app.browsing && isAction) app.focus();
  }, true);
  page["notice-next"].addEventListener("click", () => openNextQueue(app));
  const { outbox } = app.store;
  const closing = { retry: () => outbox.retry(), discard: () => outbox.discard(), dismiss: () => app.dismiss() };
  for (const [name, run] of Object.entries(closing)) {
    page[name].addEventListener("click", () => {
      run();
      app.focus(); // the button goes
    });
  }
  page.unjudged.addEventListener("change", () => {
    openPlace(app, { ...app.place, unjudged: page.unjudged.checked, at: null }, { isStep: true });
  });
  page.search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, SEARCH_PAUSE_MS);
  });
  page.size.addEventListener("input", applySize);
  const toggle = page["queues-toggle"];
  toggle.addEventListener("click", () => toggleQueues(toggle.getAttribute("aria-expanded") !== "true"));
  page.queues.addEventListener("click", () => toggleQueues(false));
  addEventListener("popstate", () => openAddress(app));
  document.addEventListener("visibilitychange", poll);
  addEventListener("focus", poll);
  setTimeout(keepPolling, POLL_MS);
}

function toggleQueues(isOpen) {
  page["queues-toggle"].setAttribute("aria-expanded", isOpen);
  page.sidebar.classList.toggle("open", isOpen);
}

page.size.value = localStorage.getItem(SIZE_NAME) ?? "2";
applySize();
buildHelp(page);
connect();
try {
  await app.start();
  page.search.value = app.place.search;
} catch (error) {
  page.gone.textContent = error.message;
  page.gone.hidden = false;
}
page.opening.hidden = true;
