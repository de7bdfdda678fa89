// What is around the images: queues, heading, lines above, the bar of actions.

import { emptyText, queueNotice, showFailure, showSaving } from "./notices.js";
import { counted } from "./changes.js";
import { proposalText } from "./card.js";
import { element } from "./element.js";
import { showQueues } from "./sidebar.js";
import { quickClasses, targetItems } from "./targets.js";

/** Show everything but the images themselves. */
export function showPage(page, app) {
  const { store, place } = app;
  document.title = `${titleOf(app)} – ${store.state.name}`;
  page.run.textContent = store.state.name;
  page.source.textContent = store.state.source;
  const onOpen = (name) => app.run(name === "class" ? "byClass" : `queue:${name}`);
  showQueues(page.queues, { queues: store.state.queues, place, onOpen });
  page["queues-now"].textContent = titleOf(app);
  if (place.view === "finish") page["finish-button"].setAttribute("aria-current", "page");
  else page["finish-button"].removeAttribute("aria-current");
  showSaving(page, store.outbox);
  showFailure(page, store.outbox, app.problem);
  showUndo(page, store);
  page.notes.hidden = !store.state.notes.length;
  page["notes-list"].replaceChildren(...store.state.notes.map((note) => element("li", "", note)));
  page["list-view"].hidden = place.view !== "list";
  page["single-view"].hidden = place.view !== "single";
  page["finish-view"].hidden = place.view !== "finish";
  page.actions.hidden = place.view === "finish" || (place.view === "list" && !app.browsing.size);
  if (place.view === "list") showHeading(page, app);
  showActions(page, app);
}

function titleOf({ store, place }) {
  if (place.view === "finish") return "Finish";
  return place.queue === "class" && place.label ? place.label : store.queue(place.queue).title;
}

function showHeading(page, app) {
  const { store, place, browsing } = app;
  const queue = store.queue(place.queue);
  page.title.textContent = titleOf(app);
  page.about.textContent = queue.about;
  const isWhole = !place.search && place.queue !== "class";
  const [judged, all] = [queue.judged, queue.count].map((count) => count.toLocaleString("en"));
  const listed = counted(browsing.size, app.isGroups ? "group" : "image");
  page.progress.textContent = isWhole && !place.unjudged ? `${judged} of ${all} looked at` : listed;
  page["search-part"].hidden = app.isGroups;
  page["size-part"].hidden = app.isGroups;
  page.unjudged.checked = (app.wanted ?? place).unjudged;
  page.empty.hidden = browsing.size > 0;
  page["empty-text"].textContent = browsing.size ? "" : emptyText(app);
  page["empty-next"].hidden = Boolean(queue.working);
  page.grid.hidden = app.isGroups || !browsing.size;
  page.groups.hidden = !app.isGroups || !browsing.size;
  const notice = queueNotice(app);
  page.notice.hidden = !notice;
  page.notice.classList.toggle("end", Boolean(notice?.isEnd));
  if (page["notice-text"].textContent !== (notice?.text ?? "")) page["notice-text"].textContent = notice?.text ?? "";
  page["notice-next"].textContent = notice?.action ?? "";
}

function showUndo(page, { state, outbox }) {
  page.undo.disabled = !state.can_undo && !outbox.size;
  page.undo.title = state.can_undo ? `Undo: ${state.can_undo}` : "";
}

function showActions(page, app) {
  const { targets, browsing, isGroups } = app;
  const groups = isGroups ? browsing.targets.length : 0;
  const count = targets.length;
  const chosen = isGroups ? counted(groups, "group") : counted(count, "image");
  page.chosen.textContent = browsing.selected.size ? `${chosen} selected` : "";
  page.clear.hidden = !browsing.selected.size;
  page["act-different"].hidden = !isGroups || app.place.queue === "exact-duplicates";
  page["act-find-text"].textContent = app.store.isMultilabel ? "Labels" : "Relabel";
  page["act-keep-text"].textContent = !isGroups ? "" : groups > 1 ? " the marked copies" : " the marked copy";
  page["act-remove-text"].textContent = isGroups ? " the marked copy" : "";
  page["act-proposal"].hidden = isGroups || !targetItems(app).some((item) => proposalText(item, app.context));
  page["act-proposal-text"].textContent = count > 1 ? " proposals" : " proposal";
  showQuick(page.quick, app);
}

/** The classes of the keys 1 to 9 below a grid. Beside a large image there are bars instead. */
function showQuick(quick, app) {
  quick.hidden = app.place.view !== "list" || app.isGroups;
  if (quick.hidden) return;
  const classes = quickClasses(app);
  while (quick.children.length > classes.length) quick.lastChild.remove();
  while (quick.children.length < classes.length) {
    const index = quick.children.length + 1;
    const button = element("button", "quick", element("kbd", "", String(index)), element("bdi", ""));
    button.type = "button";
    button.addEventListener("click", () => app.run(String(index)));
    quick.append(element("li", "", button));
  }
  for (const [index, label] of classes.entries()) quick.children[index].firstChild.lastChild.textContent = label;
}
