// Builds the elements that show a prediction, from the response of v1/predict.

import { accuracyLine } from "./about.js";
import { element } from "./element.js";

const PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const THRESHOLD_PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const MAX_LISTED_CLASSES = 12;

function percent(probability) {
  if (probability < 0.0005) return "<\u20090.1%";
  if (probability < 1 && probability >= 0.9995) return ">\u200999.9%";
  return PERCENT.format(probability);
}

/** One sentence about a photo, for screen readers. */
export function sentence({ prediction, model: { nameOf } }) {
  const best = prediction.predictions[0];
  if ("labels" in prediction) {
    if (!prediction.labels.length) return "The model recognises nothing here.";
    return `This photo shows ${new Intl.ListFormat("en").format(prediction.labels.map(({ label }) => nameOf(label)))}.`;
  }
  if (prediction.label === null) {
    return `The model is not sure. The most probable class is ${nameOf(best.label)}, ${percent(best.probability)}.`;
  }
  return `${nameOf(prediction.label)}, ${percent(prediction.probability)}.`;
}

/** The answer for a photo in a few words: the label or labels, and their probabilities. */
export function shortAnswer({ prediction, model: { nameOf } }) {
  const labels = labelsOf(prediction);
  const none = "labels" in prediction ? "Nothing recognised" : "Not sure";
  return {
    label: labels.map(({ label }) => nameOf(label)).join(", ") || none,
    probability: labels.map(({ probability }) => percent(probability)).join(", "),
  };
}

/** Every label that a photo got: at most one, or any number. */
export function labelsOf(prediction) {
  if ("labels" in prediction) return prediction.labels;
  return prediction.label === null ? [] : [prediction];
}

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
    ...headline(prediction, model),
    element("ol", "bars", ...prediction.predictions.map((item) => bar(item, isLabel(item, prediction), model))),
    element("p", "facts", facts(photo)),
    ...("labels" in prediction && model.thresholds ? [element("p", "facts", "The mark on each bar is the threshold of its class.")] : []),
  ];
}

function headline(prediction, { nameOf, thresholds }) {
  if ("labels" in prediction) {
    if (!prediction.labels.length) {
      return [element("p", "eyebrow", "No label"), element("h2", "unsure", "Nothing recognised"),
        element("p", "note", "No class reaches its threshold. The most probable ones are:")];
    }
    const word = prediction.labels.length === 1 ? "1 label" : `${prediction.labels.length} labels`;
    return [element("p", "eyebrow", word),
      element("ul", "chips", ...prediction.labels.map(({ label }) => element("li", "", nameOf(label))))];
  }
  if (prediction.label === null) {
    const threshold = thresholds ? `threshold of ${THRESHOLD_PERCENT.format(thresholds[0])}` : "model's threshold";
    return [element("p", "eyebrow", "No label"), element("h2", "unsure", "Not sure"),
      element("p", "note", `No class reaches the ${threshold}. The most probable ones are:`)];
  }
  return [element("p", "eyebrow", "This looks like"), element("h2", "", nameOf(prediction.label))];
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
  return labelsOf(prediction).some(({ index }) => index === item.index);
}

function facts({ prediction: { image, timing_ms: timing }, size, sentSize }) {
  const measure = ({ width, height }) => `${width.toLocaleString("en")} × ${height.toLocaleString("en")}`;
  const photo = sentSize ? `${measure(size)} pixels, sent as ${measure(image)}` : `${image.format} · ${measure(image)} pixels`;
  return `${photo} · processed in ${timing.total < 10 ? timing.total.toFixed(1) : Math.round(timing.total)} ms`;
}
