// What a person decides about images: how it is sent, what an image looks like afterwards, how it is said.

export const STATUS_TEXTS = { kept: "kept", relabelled: "relabelled", removed: "removed" };

export const relabel = (ids, label) => ({ kind: "relabel", ids, labels: [label] });
export const addLabel = (ids, label) => ({ kind: "add_labels", ids, labels: [label] });
export const removeLabel = (ids, label) => ({ kind: "remove_labels", ids, labels: [label] });
export const remove = (ids) => ({ kind: "remove", ids });
export const keep = (ids) => ({ kind: "keep", ids });
export const notDuplicate = (ids) => ({ kind: "not_duplicate", ids });
export const keepCopy = (ids, keeper) => ({ kind: "keep_copy", ids, keeper });

/** The item after a change, as the server will most probably answer. */
export function applied(item, change) {
  switch (change.kind) {
    case "relabel":
      return withLabels(item, change.labels);
    case "add_labels":
      return withLabels(item, [...item.labels, ...change.labels.filter((label) => !item.labels.includes(label))]);
    case "remove_labels":
      return withLabels(item, item.labels.filter((label) => !change.labels.includes(label)));
    case "remove":
      return { ...item, status: "removed" };
    case "keep":
      return { ...item, status: "kept" };
    case "keep_copy":
      return item.id === change.keeper ? item : { ...item, status: "removed" };
    default:
      return item;
  }
}

function withLabels(item, labels) {
  const before = new Set(item.original_labels);
  const isAsBefore = labels.length === before.size && labels.every((label) => before.has(label));
  return { ...item, labels, status: isAsBefore ? "kept" : "relabelled" };
}

/**
 * The changes that take the proposal of each item: one for each label, with all its images.
 *
 * @param {object[]} items
 * @param {{queue: string, isMultilabel: boolean}} options  in the queue "surplus", a proposal is the label to take away
 */
export function proposals(items, { queue, isMultilabel }) {
  const byLabel = Map.groupBy(items.filter(({ proposal }) => proposal !== null), ({ proposal }) => proposal);
  const change = !isMultilabel ? relabel : queue === "surplus" ? removeLabel : addLabel;
  return [...byLabel].map(([label, members]) => change(members.map(({ id }) => id), label));
}

/** What changes do, in a few words: "Relabelled 20 images to bee". */
export function sentence(changes) {
  const count = changes.reduce((sum, { ids }) => sum + ids.length, 0);
  const labels = new Set(changes.flatMap((change) => change.labels ?? []));
  const images = counted(count, "image");
  const to = labels.size === 1 ? [...labels][0] : `${labels.size} classes`;
  switch (changes[0].kind) {
    case "relabel":
      return `Relabelled ${images} to ${to}`;
    case "add_labels":
      return `Added ${to} to ${images}`;
    case "remove_labels":
      return `Took ${to} away from ${images}`;
    case "remove":
      return `Removed ${images}`;
    case "keep":
      return `Kept ${images}`;
    case "not_duplicate":
      return changes.length === 1 ? `Not duplicates: ${images}` : `Not duplicates: ${counted(changes.length, "group")}`;
    default:
      return `Kept one copy of ${changes.length === 1 ? images : counted(changes.length, "group")}`;
  }
}

/** "1 image", "1,200 images", "2 copies", "3 classes". */
export function counted(count, noun) {
  const plural = noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : noun.endsWith("s") ? `${noun}es` : `${noun}s`;
  return `${count.toLocaleString("en")} ${count === 1 ? noun : plural}`;
}
