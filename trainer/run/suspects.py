"""The suspects of a run as a table, for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.cleaning.insight import find_insight, suspect_queues
from trainer.errors import RunError
from trainer.run.features import read_features
from trainer.run.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """An image that is probably wrong.

    Attributes:
        kind: `wrong`: another label is right. `missing`, `surplus` (multilabel): it lacks a label, or has one too many.
            `off-topic`: it shows none of the classes.
        path: Relative to the images' folder.
        split: `train`, `valid` or `test`.
        labels: What the catalog says.
        proposal: The label instead, or the one that is missing; with `surplus` the one to remove; None: `off-topic`.
        probability: That the proposal is right, by a model that has not seen the image; None: `off-topic`.
        reason: A sentence.
    """

    kind: str
    path: str
    split: str
    labels: tuple[str, ...]
    proposal: str | None
    probability: float | None
    reason: str


def find_run_suspects(path: Path, *, count: int) -> list[Suspect]:
    """Find the images of a run that are probably wrong, the most suspect first, `count` of each kind.

    Takes seconds for a few thousand images. The result is kept in RUN/suspects.npz.

    Args:
        path: RUN.
        count: Most of each kind.

    Raises:
        RunError: The run has no catalog yet, or no features.
    """
    run = RunFolder(path)
    recipe = run.read_recipe()
    run.require(run.catalog)
    catalog = run.read_catalog(recipe, None, must_exist=False)
    features = read_features(run, count=len(catalog.rows))
    if features is None:
        raise RunError(f"{run} has no features.npy; `clean({str(run)!r})` computes them, if its network was pretrained")

    def rows() -> Iterator[Suspect]:
        for queue in suspect_queues(find_insight(catalog, features, cache=run.suspects), classes=catalog.classes):
            for position, image in enumerate(queue.ids[:count].tolist() if queue.name != "least-sure" else ()):
                row, entry = catalog.rows[image], queue.entry(position)
                yield Suspect(
                    kind=queue.name,
                    path=row.path,
                    split=row.split,
                    labels=tuple(sorted(row.labels)),
                    proposal=entry.proposal,
                    probability=entry.probability,
                    reason=entry.reason or "",
                )

    return list(rows())
