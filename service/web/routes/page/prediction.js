// Builds the elements that show a prediction, from the response of v1/predict.

const PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const THRESHOLD_PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const MAX_LISTED_CLASSES = 12;

function percent(probability) {
  if (probability < 0.0005) return "<\u20090.1%";
  if (probability < 1 && probability >= 0.9995) return ">\u200999.9%";
  return PERCENT.format(probability);
}

/** One sentence, for screen readers. */
export function sentence(prediction) {
  const best = prediction.predictions[0];
  if ("labels" in prediction) {
    return prediction.labels.length ? `This photo shows ${names(prediction.labels)}.` : "The model recognises nothing here.";
  }
  if (prediction.label === null) return `The model is not sure. The most probable class is ${best.label}, ${percent(best.probability)}.`;
  return `${prediction.label}, ${percent(prediction.probability)}.`;
}

/** What is shown before the first photo: the classes of the model. */
export function introduction(model) {
  const rest = model.classes.length - MAX_LISTED_CLASSES;
  const listed = model.classes.slice(0, rest > 1 ? MAX_LISTED_CLASSES : undefined);
  return [
    element("p", "eyebrow", "This model recognises"),
    element("ul", "known", ...listed.map((label) => element("li", "", label)),
      ...(rest > 1 ? [element("li", "more", `and ${rest.toLocaleString("en")} more`)] : [])),
  ];
}

/** The elements that show a prediction. */
export function predictionElements(prediction, model) {
  return [
    ...headline(prediction, model),
    element("ol", "bars", ...prediction.predictions.map((item) => bar(item, isLabel(item, prediction), model))),
    element("p", "facts", facts(prediction)),
    ...("labels" in prediction ? [element("p", "facts", "The mark on each bar is the threshold of its class.")] : []),
  ];
}

function headline(prediction, model) {
  if ("labels" in prediction) {
    if (!prediction.labels.length) {
      return [element("p", "eyebrow", "No label"), element("h2", "unsure", "Nothing recognised"),
        element("p", "note", "No class reaches its threshold. The most probable ones are:")];
    }
    const word = prediction.labels.length === 1 ? "1 label" : `${prediction.labels.length} labels`;
    return [element("p", "eyebrow", word),
      element("ul", "chips", ...prediction.labels.map((item) => element("li", "", item.label)))];
  }
  if (prediction.label === null) {
    const threshold = THRESHOLD_PERCENT.format(model.thresholds[0]);
    return [element("p", "eyebrow", "No label"), element("h2", "unsure", "Not sure"),
      element("p", "note", `No class reaches the threshold of ${threshold}. The most probable ones are:`)];
  }
  return [element("p", "eyebrow", "This looks like"), element("h2", "", prediction.label)];
}

function bar(item, isLabelled, model) {
  const fill = element("span", "fill");
  fill.style.width = `${100 * item.probability}%`;
  const track = element("span", "track", fill);
  track.setAttribute("aria-hidden", "true");
  if (model.task === "multilabel") {
    const mark = element("span", "mark");
    mark.style.left = `${100 * model.thresholds[item.index]}%`;
    mark.title = `threshold ${THRESHOLD_PERCENT.format(model.thresholds[item.index])}`;
    track.append(mark);
  }
  const name = element("span", "name", item.label);
  name.title = item.label;
  return element("li", isLabelled ? "given" : "", name, element("span", "percent", percent(item.probability)), track);
}

function isLabel(item, prediction) {
  return "labels" in prediction ? prediction.labels.some(({ index }) => index === item.index) : prediction.label === item.label;
}

function facts({ image, timing_ms: timing }) {
  return `${image.format} · ${image.width.toLocaleString("en")} × ${image.height.toLocaleString("en")} pixels · `
    + `processed in ${timing.total < 10 ? timing.total.toFixed(1) : Math.round(timing.total)} ms`;
}

function names(labels) {
  return new Intl.ListFormat("en").format(labels.map(({ label }) => label));
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
