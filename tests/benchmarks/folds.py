"""Accuracy of `trainer fit` in cross-validation, photos that are alike kept together.

    python -m tests.benchmarks.folds TABLE.csv... --work FOLDER [--folds 5] [--head-only] [--group-column coarse]
        [--set whole.epochs=12 seed=1]

The rows of all tables are put together and cut into folds; each is judged by a model that was trained on the others.
Every fold is written to FOLDER/results.jsonl when it is done, and not run again. Printed for each fold and for all
images together: accuracy and, by summed probabilities, that of the groups of classes; and the mean over the folds with
its standard error.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.judge import add_judge_options, make_judge, share
from tests.benchmarks.training.results import Values, markdown, percent

_VERDICTS = ("correct", "group_correct")
_COLUMNS = {"fold": "fold", "images": "images", "correct": "accuracy", "group_correct": "groups", "seconds": "seconds"}


def main() -> None:
    """Fit the folds that are missing and print them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_judge_options(parser)
    options = parser.parse_args()
    measured = make_judge(options).measure({})
    print(f"{machine(options.device)}, {versions('torch')}\n\n{report(measured)}")


def report(measured: Sequence[Values]) -> str:
    """A row a fold, then all images, then the mean over the folds."""
    rows: list[dict[str, object]] = []
    for number, values in enumerate(measured):
        row: dict[str, object] = {
            "fold": number,
            "images": len(values["correct"]),
            "seconds": f"{values['seconds']:.0f}",
        }
        rows.append(row | {kind: percent(share(values[kind])) for kind in _VERDICTS if kind in values})
    together, mean = {"fold": "all images"}, {"fold": "mean of the folds"}
    for kind in _VERDICTS:
        if all(kind in values for values in measured):
            shares = [share(values[kind]) for values in measured]
            together[kind] = percent(share("".join(values[kind] for values in measured)))
            error = statistics.stdev(shares) / len(shares) ** 0.5
            mean[kind] = f"{percent(statistics.fmean(shares))} ± {100 * error:.1f}"
    return markdown(_COLUMNS, [*rows, together, mean])


if __name__ == "__main__":
    main()
