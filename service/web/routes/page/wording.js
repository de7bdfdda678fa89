// A prediction in words. The page without JavaScript says the same: service/wording.py.

export const MAX_NAMED = 6; // labels of a set that are named at once
const MAX_SHORT = 3; // the same where there is little room
const LIKELY = 0.5; // a most probable class under this is only perhaps the right one
const PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const AND = new Intl.ListFormat("en");
const OR = new Intl.ListFormat("en", { type: "disjunction" });

export function percent(probability) {
  if (probability < 0.0005) return "<\u20090.1%";
  if (probability < 1 && probability >= 0.9995) return ">\u200999.9%";
  return PERCENT.format(probability);
}

/** Every label that a photo got: at most one, or any number. */
export function labelsOf(prediction) {
  if ("labels" in prediction) return prediction.labels;
  return prediction.label === null ? [] : [prediction];
}

/**
 * A prediction in words: {introduction, answer, note, names, choices, isSure, short, probability, sentence}.
 *
 * introduction, answer, note: what stands above each other; names: labels that are shown in place of an answer;
 * choices: labels of which one is meant; short: the answer where there is little room, with its probability beside it;
 * sentence: for screen readers.
 */
export function wording({ prediction, model }) {
  const names = labelsOf(prediction).map(({ label }) => model.nameOf(label));
  const choices = (prediction.set ?? []).map(model.nameOf);
  const words = { introduction: "", answer: "", note: "", names: [], choices: [], isSure: true, probability: "" };
  if (prediction.abstained || !names.length) return { ...words, isSure: false, ...noLabel(prediction, choices, model) };
  if (isOneOf(prediction)) return { ...words, ...oneOf(choices) };
  if ("labels" in prediction) return { ...words, ...several(prediction, names) };
  return { ...words, ...single(prediction, names[0], model), choices: choices.length > 1 ? choices : [] };
}

/** Whether a few labels are shown in place of one: where it is more likely wrong than right. */
export function isOneOf({ set = [], probability, abstained }) {
  return !abstained && probability < LIKELY && set.length > 1 && set.length <= MAX_NAMED;
}

function noLabel(prediction, choices, { nameOf }) {
  const best = prediction.predictions[0];
  const about = (kind) => `The ${kind} class is ${nameOf(best.label)}, ${percent(best.probability)}.`;
  if (prediction.abstained === "unknown") {
    const answer = "This does not look like anything that I know.";
    return { answer, note: "The nearest classes:", short: "Unknown", sentence: `${answer} ${about("nearest")}` };
  }
  if (prediction.abstained) {
    const answer = "I am not sure.";
    const isNamed = choices.length > 1 && choices.length <= MAX_NAMED; // then the list needs no words of its own
    return { answer, note: isNamed ? "" : "The most probable classes:", choices: choices.length > 1 ? choices : [],
      short: "Not sure", sentence: `${answer} ${isNamed ? `One of these: ${OR.format(choices)}.` : about("most probable")}` };
  }
  const answer = "Nothing recognised";
  return { answer, note: "No class reaches its threshold. The most probable ones are:", short: answer,
    sentence: "The model recognises nothing here." };
}

function oneOf(choices) {
  const short = choices.length <= MAX_SHORT ? OR.format(choices) : `One of ${choices.length} classes`;
  return { introduction: "One of these:", names: choices, short, sentence: `One of these: ${OR.format(choices)}.` };
}

function several({ labels }, names) {
  return {
    introduction: names.length === 1 ? "1 label" : `${names.length} labels`,
    names,
    short: names.join(", "),
    probability: labels.map(({ probability }) => percent(probability)).join(", "),
    sentence: `This photo shows ${AND.format(names)}.`,
  };
}

function single({ probability }, name, { abstain }) {
  const shown = percent(probability);
  if (!abstain && probability < LIKELY) {
    const answer = `Not sure; perhaps ${name}.`;
    return { answer, isSure: false, short: `Perhaps ${name}`, probability: shown, sentence: `Not sure; perhaps ${name}, ${shown}.` };
  }
  return { introduction: "This looks like", answer: name, short: name, probability: shown, sentence: `${name}, ${shown}.` };
}
