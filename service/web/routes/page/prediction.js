// Builds the elements that show a prediction, from the response of v1/predict.

import { accuracyLine } from "./about.js";
import { element } from "./element.js";
import { MAX_NAMED, isOneOf, labelsOf, percent, wording } from "./wording.js";

const THRESHOLD_PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const MAX_LISTED_CLASSES = 12;

/** What is shown before the first photo: the classes of the model, and how good it is. */
export function introduction(model) {
  const rest = model.classes.length - MAX_LISTED_CLASSES;
  const listed = model.classes.slice(0, rest > 1 ? MAX_LISTED_CLASSES : undefined);
  const line = accuracyLine(model);
  return [
    element("p", "eyebrow", "This model recognises"),
    element("ul", "known", ...listed.map((label) => element("li", "", model.nameOf(label))),
      ...(rest > 1 ? [element("li", "more", allClassesLink(rest))] : [])),
    ...(line ? [element("p", "facts", `${line}.`)] : []),
  ];
}

function allClassesLink(rest) {
  const link = element("a", "", `and ${rest.toLocaleString("en")} more`);
  link.href = "#classes";
  link.addEventListener("click", () => { document.getElementById("classes").open = true; });
  return link;
}

/** The elements that show the prediction of a photo. */
export function predictionElements(photo) {
  const { prediction, model } = photo;
  return [
    ...headline(wording(photo)),
    element("ol", "bars", ...prediction.predictions.map((item) => bar(item, isLabel(item, prediction), model))),
    element("p", "facts", facts(photo)),
    ...("labels" in prediction && model.thresholds ? [element("p", "facts", "The mark on each bar is the threshold of its class.")] : []),
  ];
}

function headline(words) {
  return [
    ...(words.introduction ? [element("p", "eyebrow", words.introduction)] : []),
    words.names.length ? element("ul", "chips", ...words.names.map((name) => element("li", "", name)))
      : element("h2", words.isSure ? "" : "unsure", words.answer),
    ...choiceElements(words.choices),
    ...(words.note ? [element("p", "note", words.note)] : []),
  ];
}

/** A few labels are named; many are shown on demand. */
function choiceElements(choices) {
  if (!choices.length) return [];
  if (choices.length <= MAX_NAMED) return [element("p", "note", `One of these: ${choices.join(", ")}.`)];
  const summary = element("summary", "", `The ${choices.length.toLocaleString("en")} classes that it may be`);
  const list = element("ul", "every", ...choices.map((name) => element("li", "", name)));
  list.tabIndex = 0; // so that it can be scrolled with the keyboard
  list.setAttribute("aria-label", "The classes that it may be");
  return [element("details", "choices", summary, list)];
}

function bar(item, isLabelled, { nameOf, task, thresholds }) {
  const fill = element("span", "fill");
  fill.style.width = `${100 * item.probability}%`;
  const track = element("span", "track", fill);
  track.setAttribute("aria-hidden", "true");
  if (task === "multilabel") {
    const mark = element("span", "mark");
    mark.style.left = `${100 * thresholds[item.index]}%`;
    mark.title = `threshold ${THRESHOLD_PERCENT.format(thresholds[item.index])}`;
    track.append(mark);
  }
  const name = element("span", "name", nameOf(item.label));
  name.title = item.label;
  return element("li", isLabelled ? "given" : "", name, element("span", "percent", percent(item.probability)), track);
}

function isLabel(item, prediction) {
  if (isOneOf(prediction)) return prediction.set.includes(item.label);
  return labelsOf(prediction).some(({ index }) => index === item.index);
}

function facts({ prediction: { image, timing_ms: timing }, size, sentSize }) {
  const measure = ({ width, height }) => `${width.toLocaleString("en")} × ${height.toLocaleString("en")}`;
  const photo = sentSize ? `${measure(size)} pixels, sent as ${measure(image)}` : `${image.format} · ${measure(image)} pixels`;
  return `${photo} · processed in ${timing.total < 10 ? timing.total.toFixed(1) : Math.round(timing.total)} ms`;
}
