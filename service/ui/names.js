// Labels as a person reads them.

/** A label with blanks for its hyphens and underscores: "Golden-Delicious" is "Golden Delicious". */
export function readable(label) {
  return label.replace(/[-_]+/g, " ").trim() || label;
}

/**
 * How each label is written. Two labels that would read the same stay as they are.
 *
 * @param {string[]} labels
 * @returns {(label: string) => string}
 */
export function namer(labels) {
  const counts = new Map();
  for (const label of labels) counts.set(readable(label), (counts.get(readable(label)) ?? 0) + 1);
  return (label) => (counts.get(readable(label)) > 1 ? label : readable(label));
}

/** Text in the form in which texts are compared: without case, accents, hyphens and underscores. */
export function searchable(text) {
  return readable(text).normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
