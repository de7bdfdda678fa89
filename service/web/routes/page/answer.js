// Builds what the page says of a photo, out of the answer of v1/predict.

const PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const THRESHOLD = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const KNOWN_LISTED = 12;

function percent(probability) {
  if (probability < 0.0005) return "<\u20090.1%";
  if (probability < 1 && probability >= 0.9995) return ">\u200999.9%";
  return PERCENT.format(probability);
}

/** One sentence, for those who hear the page. */
export function sentence(answer) {
  const best = answer.predictions[0];
  if ("labels" in answer) {
    return answer.labels.length ? `This photo shows ${names(answer.labels)}.` : "The model recognises nothing here.";
  }
  if (answer.label === null) return `The model is not sure. Nearest is ${best.label}, ${percent(best.probability)}.`;
  return `${answer.label}, ${percent(answer.probability)}.`;
}

/** Before the first photo: what the model can tell apart. */
export function introduction(model) {
  const rest = model.classes.length - KNOWN_LISTED;
  const listed = model.classes.slice(0, rest > 1 ? KNOWN_LISTED : undefined);
  return [
    element("p", "eyebrow", model.task === "multilabel" ? "It looks for" : "It can tell apart"),
    element("ul", "known", ...listed.map((label) => element("li", "", label)),
      ...(rest > 1 ? [element("li", "more", `and ${rest.toLocaleString("en")} more`)] : [])),
  ];
}

/** The answer, as elements. */
export function report(answer, model) {
  return [
    ...headline(answer, model),
    element("ol", "bars", ...answer.predictions.map((item) => bar(item, isGiven(item, answer), model))),
    element("p", "facts", facts(answer)),
    ...("labels" in answer ? [element("p", "facts", "The mark on each bar is the threshold of its class.")] : []),
  ];
}

function headline(answer, model) {
  if ("labels" in answer) {
    if (!answer.labels.length) {
      return [element("p", "eyebrow", "No label"), element("h2", "unsure", "Nothing recognised"),
        element("p", "note", "No class reaches its threshold. The nearest are these:")];
    }
    const word = answer.labels.length === 1 ? "1 label" : `${answer.labels.length} labels`;
    return [element("p", "eyebrow", word),
      element("ul", "chips", ...answer.labels.map((item) => element("li", "", item.label)))];
  }
  if (answer.label === null) {
    const wanted = THRESHOLD.format(model.thresholds[0]);
    return [element("p", "eyebrow", "No answer"), element("h2", "unsure", "Not sure"),
      element("p", "note", `No class reaches the ${wanted} that this model asks for. The nearest are these:`)];
  }
  return [element("p", "eyebrow", "This looks like"), element("h2", "", answer.label)];
}

function bar(item, given, model) {
  const fill = element("span", "fill");
  fill.style.width = `${100 * item.probability}%`;
  const track = element("span", "track", fill);
  track.setAttribute("aria-hidden", "true");
  if (model.task === "multilabel") {
    const mark = element("span", "mark");
    mark.style.left = `${100 * model.thresholds[item.index]}%`;
    mark.title = `threshold ${THRESHOLD.format(model.thresholds[item.index])}`;
    track.append(mark);
  }
  const name = element("span", "name", item.label);
  name.title = item.label;
  return element("li", given ? "given" : "", name, element("span", "percent", percent(item.probability)), track);
}

function isGiven(item, answer) {
  return "labels" in answer ? answer.labels.some(({ index }) => index === item.index) : answer.label === item.label;
}

function facts({ image, timing_ms: timing }) {
  return `${image.format} · ${image.width.toLocaleString("en")} × ${image.height.toLocaleString("en")} pixels · `
    + `answered in ${timing.total < 10 ? timing.total.toFixed(1) : Math.round(timing.total)} ms`;
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
