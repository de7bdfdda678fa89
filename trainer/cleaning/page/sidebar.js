// The queues, each with how much of it a person has looked at.

import { element } from "./element.js";

/**
 * Show the queues.
 *
 * @param {HTMLElement} list
 * @param {object} options
 * @param {object[]} options.queues  of the server's state
 * @param {{queue: string, label: string, view: string}} options.place
 * @param {(name: string) => void} options.onOpen
 */
export function showQueues(list, { queues, place, onOpen }) {
  while (list.children.length < queues.length) list.append(createItem(onOpen));
  while (list.children.length > queues.length) list.lastChild.remove();
  for (const [index, queue] of queues.entries()) fill(list.children[index].parts, queue, place);
}

function createItem(onOpen) {
  const title = element("span", "queue-title");
  const count = element("span", "queue-count");
  const bar = element("span", "bar");
  const button = element("button", "queue", title, count, bar);
  button.type = "button";
  button.addEventListener("click", () => onOpen(button.dataset.queue));
  const item = element("li", "", button);
  item.parts = { button, title, count, bar };
  return item;
}

function fill({ button, title, count, bar }, { name, title: text, count: total, judged, working }, { queue, label, view }) {
  const isClass = name === "class";
  button.dataset.queue = name;
  title.textContent = isClass ? (queue === name && label ? `Class: ${label}` : "One class …") : text;
  count.textContent = isClass ? "" : working ? "…" : progress(judged, total);
  const spoken = working ? "being worked out" : `${judged} of ${total} looked at`;
  button.setAttribute("aria-label", isClass ? title.textContent : `${text}: ${spoken}`);
  button.classList.toggle("finished", !isClass && total > 0 && judged >= total);
  button.classList.toggle("nothing", !isClass && total === 0 && !working);
  if (queue === name && view !== "finish") button.setAttribute("aria-current", "page");
  else button.removeAttribute("aria-current");
  bar.hidden = isClass;
  bar.style.setProperty("--fraction", total ? judged / total : 0);
}

function progress(judged, total) {
  if (!total) return "none";
  const all = total.toLocaleString("en");
  return judged ? `${judged.toLocaleString("en")}/${all}` : all;
}

/** The queue to go to after this one: the next one with something to look at; undefined if there is none. */
export function nextQueue(queues, name) {
  const others = queues.filter((queue) => !["class", "everything"].includes(queue.name));
  const start = others.findIndex((queue) => queue.name === name) + 1;
  const following = [...others.slice(start), ...others.slice(0, start)].filter((queue) => queue.name !== name);
  return following.find((queue) => queue.working || queue.judged < queue.count);
}
