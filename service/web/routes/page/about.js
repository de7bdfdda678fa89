// What a visitor may want to know of the model: every class, how good it is, how to use it from a program.

import { keyHeaders } from "./api_key.js";
import { element } from "./element.js";
import { codeSamples } from "./code.js";
import { searchable } from "./names.js";

const PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const SHORT_PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const DATE = new Intl.DateTimeFormat("en", { dateStyle: "long" });
const NORMAL_97_5 = 1.96; // 97.5 % point of the normal distribution
const COPIED_MS = 2000;

/** Fill the part of the page about the model. */
export function showAbout(page, model) {
  page.about.hidden = false;
  showClasses(page, model);
  page.quality.replaceChildren(...qualityElements(model));
  page.samples.replaceChildren(...codeSamples({ base: document.baseURI, needsKey: "X-API-Key" in keyHeaders() }).map(sampleElement));
}

function validationPhotos(count) {
  return `${count.toLocaleString("en")} validation photo${count === 1 ? "" : "s"}`;
}

/** One line: how often the model is right on the validation images. Empty if the bundle does not say. */
export function accuracyLine({ metrics }) {
  const { accuracy, images } = metrics.validation ?? {};
  if (!isFraction(accuracy) || !(images > 0)) return "";
  const [low, high] = wilsonInterval(accuracy, images);
  return `Right for ${PERCENT.format(accuracy)} of ${validationPhotos(images)}`
    + ` (95\u2009% interval: ${PERCENT.format(low)} to ${PERCENT.format(high)})`;
}

function showClasses(page, { classes, nameOf }) {
  const items = classes.map((label) => {
    const item = element("li", "", nameOf(label));
    item.title = label;
    return { item, text: searchable(label) };
  });
  page["class-list"].replaceChildren(...items.map(({ item }) => item));
  const filter = () => {
    const wanted = searchable(page["class-search"].value);
    for (const { item, text } of items) item.hidden = !text.includes(wanted);
    const found = items.filter(({ item }) => !item.hidden).length;
    page["class-count"].textContent = wanted ? `${found.toLocaleString("en")} of ${classes.length.toLocaleString("en")} classes`
      : `${classes.length.toLocaleString("en")} classes`;
  };
  page["class-search"].oninput = filter;
  filter();
}

function qualityElements(model) {
  const { metrics, created, version, task } = model;
  const validation = metrics.validation ?? {};
  const line = accuracyLine({ metrics });
  const rows = [];
  if (line) {
    rows.push(element("p", "", `${line}. The interval says how far chance in the choice of these photos can move the number.`));
  } else if (task === "multilabel" && [validation.mean_average_precision, validation.micro_f1].every(isFraction) && validation.images > 0) {
    rows.push(element("p", "", `Mean average precision ${PERCENT.format(validation.mean_average_precision)}, F1 `
      + `${PERCENT.format(validation.micro_f1)}, on ${validationPhotos(validation.images)}.`));
  } else {
    rows.push(element("p", "", "The bundle does not say how good this model is."));
  }
  if (isFraction(validation.coarse_accuracy)) {
    rows.push(element("p", "", `The right group of classes: ${PERCENT.format(validation.coarse_accuracy)}.`));
  }
  rows.push(...doubts(model).map((text) => element("p", "", text)));
  rows.push(element("p", "", "Photos that differ from those it was made with get worse answers, and it knows no classes but its own."));
  rows.push(element("p", "", `Version ${version}, made ${dateOf(created)}.`));
  return rows;
}

/** When the model gives no label, and what is in a set: one sentence or two for each. */
function doubts({ ood, abstain, set }) {
  const photos = ({ images }) => `${images.toLocaleString("en")} photos`;
  const found = [];
  if (ood) {
    found.push("It says so if a photo does not look like anything that it knows. By mistake it says that of about "
      + `${SHORT_PERCENT.format(ood.false_alarms)} of photos of its own classes, as set on ${photos(ood)}.`);
  }
  if (abstain) {
    found.push(`It answers only if it is certain enough: with ${SHORT_PERCENT.format(abstain.confidence)} confidence, at most `
      + `${SHORT_PERCENT.format(abstain.max_error)} of its answers are wrong, for photos like the ${photos(abstain)} that this was `
      + `measured on. It answered ${SHORT_PERCENT.format(abstain.coverage)} of them.`
      + (abstain.independent ? "" : " That is optimistic, since the same photos chose other things, too."));
  }
  if (set) {
    found.push("If it cannot decide, it names several classes. For photos like those that this was measured on, the right one is among "
      + `them, or is its only answer, in ${SHORT_PERCENT.format(set.level)} of cases (${photos(set)}).`);
  }
  return found;
}

/** Wilson's 95 % interval of a fraction that was seen in `count` trials (Wilson 1927, JASA 22). */
function wilsonInterval(fraction, count) {
  const z = NORMAL_97_5;
  const centre = fraction + z ** 2 / (2 * count);
  const reach = z * Math.sqrt(fraction * (1 - fraction) / count + z ** 2 / (4 * count ** 2));
  const scale = 1 + z ** 2 / count;
  return [Math.max(0, (centre - reach) / scale), Math.min(1, (centre + reach) / scale)];
}

function dateOf(created) {
  const date = new Date(created);
  return Number.isNaN(date.getTime()) ? created : DATE.format(date);
}

function isFraction(value) {
  return typeof value === "number" && value >= 0 && value <= 1;
}

function sampleElement({ name, text }) {
  const code = element("code", "", text);
  const block = element("pre", "", code);
  block.tabIndex = 0; // so that it can be scrolled with the keyboard
  const button = element("button", "copy", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", `Copy the code for ${name}`);
  button.addEventListener("click", async () => {
    button.textContent = await copy(code) ? "Copied" : "Press Ctrl C";
    setTimeout(() => { button.textContent = "Copy"; }, COPIED_MS);
  });
  return element("div", "sample", element("h3", "", name), button, block);
}

/** Copy the text of an element. Without HTTPS there is no clipboard for pages: then it is selected, and copied the old way. */
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    window.getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}
