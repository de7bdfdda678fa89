"""Accuracy of `trainer fit` in cross-validation, with near duplicates kept together.

    python -m tests.benchmarks.folds TABLE.csv... --work FOLDER [--folds 5] [--head-only] [--coarse-column coarse]
        [--set finetune.epochs=12 seed=1]

The rows of all tables are joined and split into folds; on each fold a model is evaluated that was trained on the
others. Every fold is written to FOLDER/results.jsonl when it is done, and not run again while the images, the recipe,
the machine and the source code of the trainer are the same.

The table shows, for each fold and for all evaluated images together, the accuracy of the last epoch and that of the
coarse labels, by summed probabilities; beside them those of the best epoch, which was chosen on the same images that it
is evaluated on and looks better than it is. Near duplicates are right or wrong together, so the standard error is that
over their groups (`training/standard_error.py`). It says how much other photos of this kind would change the accuracy,
not how much another seed would. The seconds are those of the whole process, on images that were decoded before.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.evaluator import add_evaluator_options, fraction_correct, make_evaluator
from tests.benchmarks.training.results import Values, markdown, percent
from tests.benchmarks.training.standard_error import clustered_mean

_HITS = ("correct", "coarse_correct")
_COLUMNS = {
    "fold": "fold",
    "images": "images",
    "correct": "accuracy, last epoch",
    "coarse_correct": "coarse",
    "best_correct": "accuracy, best epoch",
    "best_coarse_correct": "coarse",
    "seconds": "seconds",
}


def main() -> None:
    """Fit the folds that are missing and print them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_evaluator_options(parser)
    options = parser.parse_args()
    evaluator = make_evaluator(options)
    tables = report(evaluator.evaluate({}), left_out=evaluator.left_out)
    print(f"{machine(options.device)}, {versions('torch')}\n\n{tables}")


def report(measured: Sequence[Values], *, left_out: int) -> str:
    """Format a row for each fold, then one for all evaluated images with the standard error.

    `left_out` is the number of images that were evaluated in no fold.
    """
    rows: list[dict[str, object]] = []
    for number, values in enumerate(measured):
        row: dict[str, object] = {
            "fold": number,
            "images": len(values["correct"]),
            "seconds": f"{values['seconds']:.0f}",
        }
        for kind in _kinds(measured):
            row |= {
                kind: percent(fraction_correct(values[kind])),
                f"best_{kind}": percent(fraction_correct(values["best"][kind])),
            }
        rows.append(row)
    groups = [group for values in measured for group in values["groups"]]
    together: dict[str, object] = {"fold": "all evaluated", "images": len(groups)}
    for kind in _kinds(measured):
        mean, error = clustered_mean([int(hit) for values in measured for hit in values[kind]], groups)
        together[kind] = f"{percent(mean)} ± {100 * error:.1f}"
        together[f"best_{kind}"] = percent(fraction_correct("".join(values["best"][kind] for values in measured)))
    lines = [f"±: standard error over {len(set(groups)):,} groups of near duplicates"]
    if left_out:
        lines += [
            f"{left_out:,} images are in no fold: all images of their class are near duplicates, so they are always "
            "trained on"
        ]
    return "\n".join([markdown(_COLUMNS, [*rows, together]), "", *lines])


def _kinds(measured: Sequence[Values]) -> list[str]:
    return [kind for kind in _HITS if all(kind in values for values in measured)]


if __name__ == "__main__":
    main()
