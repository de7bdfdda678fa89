"""Accuracy of `trainer fit` in cross-validation, photos that are alike kept together.

    python -m tests.benchmarks.folds TABLE.csv... --work FOLDER [--folds 5] [--head-only] [--coarse-column coarse]
        [--set finetune.epochs=12 seed=1]

The rows of all tables are put together and cut into folds; each is judged by a model that was trained on the others.
Every fold is written to FOLDER/results.jsonl when it is done, and not run again while the images, the recipe, the
machine and the source of the trainer are the same.

Printed for each fold and for all judged images together: accuracy of the last epoch and, by summed probabilities, that
of the groups of classes; beside them those of the best epoch, which was chosen on the images that judge it and looks
better than it is. Photos that are alike are right or wrong together, so the standard error is that over their groups
(`training/errors.py`); it is the error of other photos of the kind, not that of another seed. The seconds are those of
the whole process, on images that were decoded before its clock started.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.errors import clustered_mean
from tests.benchmarks.training.judge import add_judge_options, make_judge, share
from tests.benchmarks.training.results import Values, markdown, percent

_VERDICTS = ("correct", "group_correct")
_COLUMNS = {
    "fold": "fold",
    "images": "images",
    "correct": "accuracy, last epoch",
    "group_correct": "groups",
    "best_correct": "accuracy, best epoch",
    "best_group_correct": "groups",
    "seconds": "seconds",
}


def main() -> None:
    """Fit the folds that are missing and print them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_judge_options(parser)
    options = parser.parse_args()
    judge = make_judge(options)
    told = report(judge.measure({}), left_out=judge.left_out)
    print(f"{machine(options.device)}, {versions('torch')}\n\n{told}")


def report(measured: Sequence[Values], *, left_out: int) -> str:
    """A row a fold, then all images that are judged, with the standard error; how many are not, of `left_out`."""
    rows: list[dict[str, object]] = []
    for number, values in enumerate(measured):
        row: dict[str, object] = {
            "fold": number,
            "images": len(values["correct"]),
            "seconds": f"{values['seconds']:.0f}",
        }
        for kind in _given(measured):
            row |= {kind: percent(share(values[kind])), f"best_{kind}": percent(share(values["best"][kind]))}
        rows.append(row)
    alike = [group for values in measured for group in values["alike"]]
    together: dict[str, object] = {"fold": "all that are judged", "images": len(alike)}
    for kind in _given(measured):
        mean, error = clustered_mean([int(hit) for values in measured for hit in values[kind]], alike)
        together[kind] = f"{percent(mean)} ± {100 * error:.1f}"
        together[f"best_{kind}"] = percent(share("".join(values["best"][kind] for values in measured)))
    lines = [f"±: standard error over {len(set(alike)):,} groups of photos that are alike"]
    if left_out:
        lines += [f"{left_out:,} images are in no fold: all of their class are alike, so they are always trained on"]
    return "\n".join([markdown(_COLUMNS, [*rows, together]), "", *lines])


def _given(measured: Sequence[Values]) -> list[str]:
    return [kind for kind in _VERDICTS if all(kind in values for values in measured)]


if __name__ == "__main__":
    main()
