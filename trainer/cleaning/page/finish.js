// The last page: what was changed, how many images each class has now, what to collect, and what to type next.

import { getSummary, postFinish } from "./api.js";
import { counted } from "./changes.js";
import { element } from "./element.js";

const COPIED_MS = 2000;
const MOST_UNAPPLIED = 20;

/** Write the cleaned table, and show what it has become. */
export async function showFinish(page, app) {
  page["finish-content"].replaceChildren(element("p", "muted", "Writing the cleaned table …"));
  const { place } = app;
  let content;
  try {
    await app.store.outbox.whenIdle();
    if (app.store.outbox.size) throw new Error("First save what is not saved yet: the line above says why.");
    const written = await postFinish({ catalog: app.store.state.catalog });
    content = finishElements(await getSummary(), written, app);
  } catch (error) {
    const retry = element("button", "button", "Try again");
    retry.type = "button";
    retry.addEventListener("click", () => showFinish(page, app));
    content = [element("p", "error", `The cleaned table is not written. ${error.message}`), retry];
  }
  if (app.place === place) page["finish-content"].replaceChildren(...content);
}

function finishElements(summary, written, app) {
  const { relabelled, removed, kept, not_duplicates: notDuplicates } = summary.edits;
  const figures = [
    [relabelled, "relabelled"], [removed, "removed"], [kept, "kept as they are"], [notDuplicates, "not duplicates"],
  ];
  return [
    element("dl", "figures", ...figures.map(([count, text]) => element("div", "", element("dt", "", text),
      element("dd", "", count.toLocaleString("en"))))),
    element("p", "", `${counted(written.rows, "image")} are now in `, element("bdi", "path", written.path),
      ". The image files are as they were."),
    ...(written.warnings ?? []).map((warning) => element("p", "error", warning)),
    ...unappliedElements(written.unapplied),
    element("h2", "", "Train again, and compare"),
    command(written.command),
    command(compareCommand(written.command, app.store.state.source)),
    ...collectElements(summary.collect),
    ...classElements(summary.classes),
  ];
}

/** "fieldguide compare RUN NEW", from the command that trains again; a shell's quotes stay as they are. */
export function compareCommand(fitCommand, source) {
  const out = fitCommand.split(" --out ")[1];
  const quoted = /^[\w./@%+=:,-]+$/.test(source) ? source : `'${source.replaceAll("'", "'\"'\"'")}'`;
  return out ? `fieldguide compare ${quoted} ${out}` : "";
}

function command(text) {
  if (!text) return "";
  const code = element("code", "", text);
  const block = element("pre", "", code);
  const button = element("button", "button quiet small", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", `Copy the command ${text}`);
  button.addEventListener("click", async () => {
    button.textContent = await copy(code) ? "Copied" : "Press Ctrl C";
    setTimeout(() => { button.textContent = "Copy"; }, COPIED_MS);
  });
  return element("div", "command", block, button);
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code); // the person may not allow the clipboard
    return false;
  }
}

function collectElements(collect) {
  if (!collect?.length) return [];
  const items = collect.map(({ label, sentence }) => element("li", "", element("bdi", "strong", label), ` ${sentence}`));
  return [element("h2", "", "What to collect next"), element("ul", "collect", ...items)];
}

function unappliedElements(unapplied) {
  if (!unapplied.length) return [];
  const shown = unapplied.slice(0, MOST_UNAPPLIED);
  const items = shown.map(({ path, reason }) => element("li", "", element("bdi", "", path), `: ${reason}`));
  const rest = unapplied.length - items.length;
  if (rest > 0) items.push(element("li", "muted", `and ${rest.toLocaleString("en")} more`));
  const apply = unapplied.length === 1 ? "applies" : "apply";
  return [element("h2", "", `${counted(unapplied.length, "edit")} no longer ${apply}`), element("ul", "collect", ...items)];
}

/** The classes whose numbers have changed first, the largest change first. */
function classElements(classes) {
  const changed = classes.filter(({ before, after }) => before !== after)
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before));
  if (!changed.length) return [element("p", "muted", "No class has another number of images than before.")];
  const rows = changed.map(({ name, before, after }) => {
    const heading = element("th", "", element("bdi", "", name));
    heading.scope = "row";
    const difference = after - before;
    const [sign, kind] = difference > 0 ? ["+", "more"] : ["−", "fewer"];
    const cells = [before, after].map((count) => element("td", "", count.toLocaleString("en")));
    return element("tr", "", heading, ...cells, element("td", kind, `${sign}${Math.abs(difference).toLocaleString("en")}`));
  });
  const head = element("tr", "", ...["class", "before", "now", "change"].map((text) => {
    const cell = element("th", "", text);
    cell.scope = "col";
    return cell;
  }));
  const unchanged = classes.length - changed.length;
  return [element("h2", "", "Images of each class"),
    element("table", "counts", element("thead", "", head), element("tbody", "", ...rows)),
    ...(unchanged ? [element("p", "muted", `${counted(unchanged, "class")} as before.`)] : [])];
}
