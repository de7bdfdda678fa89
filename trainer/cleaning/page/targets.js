// Which images a command is about, and which classes the keys 1 to 9 stand for.

const QUICK = 9;
const MOST_COUNTED = 200; // of the selected images, for the likeliest classes

/** Ids of the images that a command is about. */
export function targetsOf(app) {
  const { view } = app.place;
  if (!app.browsing || view === "finish") return [];
  if (view === "single") return app.singleId === undefined ? [] : [app.singleId];
  if (!app.isGroups) return app.browsing.targets;
  const group = app.groups.current;
  return group ? [app.groups.keeper(group)] : [];
}

/** The items that are here among the targets, at most some. */
export function targetItems(app) {
  return app.targets.slice(0, MOST_COUNTED).map((id) => app.item(id)).filter(Boolean);
}

/** The classes of the keys 1 to 9: the likeliest ones, then the latest ones, then those in order. */
export function quickClasses(app) {
  const items = targetItems(app);
  const { recent_classes: recent, classes } = app.store.state;
  const likeliest = items.length === 1 ? items[0].likely : likeliestOfAll(items);
  return [...new Set([...likeliest, ...recent, ...classes.slice(0, QUICK).map(({ name }) => name)])].slice(0, QUICK);
}

function likeliestOfAll(items) {
  const scores = new Map();
  for (const { proposal, likely } of items) {
    for (const [rank, label] of [proposal, ...likely].entries()) {
      if (label !== null) scores.set(label, (scores.get(label) ?? 0) + 1 / (1 + rank));
    }
  }
  return [...scores].sort((a, b) => b[1] - a[1]).map(([label]) => label);
}
