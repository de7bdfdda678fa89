"""How much each setting of the recipe is worth: one change at a time, evaluated on the same images.

    python -m tests.benchmarks.ablation TABLE.csv... --work FOLDER [--valid VALID.csv | --folds 5] [--head-only]
        [--classes 20] [--try finetune.epochs=12 head.views=4,head.epochs=80 ...] [--set seed=1]

A change is KEY=VALUE of recipe.toml, or several separated by commas. The recipe without a change comes first; `--set`
applies to all of them. They are evaluated on `--valid`, or in cross-validation with near duplicates kept together: then
each recipe costs as many fits as there are folds, and the difference between two recipes is known better.

Recipes are evaluated by their last epoch. The best epoch's accuracy is only reported beside it: it was chosen on the
same images that it is evaluated on, and from more epochs if a recipe has more. The number after `±` is the standard
error of the difference on the same images, over groups of near duplicates, because these are right or wrong together.
It says how much other photos of this kind would change the difference, not how much another seed would. The seconds are
those of the whole process, on images that were decoded before.

Every fit is written to FOLDER/results.jsonl with its command and cost when it is done, and not run again while the
images, the recipe, the machine and the source code of the trainer are the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.evaluator import add_evaluator_options, fraction_correct, make_evaluator
from tests.benchmarks.training.recipes import Changes, parse_changes
from tests.benchmarks.training.results import Values, markdown, percent
from tests.benchmarks.training.standard_error import clustered_mean

HEAD_CHANGES = (
    "head.views=1", "head.views=4", "head.views=8", "head.epochs=20", "head.epochs=80", "head.lr=3e-3",
    "head.lr=3e-2", "augmentation.scale_min=0.1", "augmentation.scale_min=0.35", "augmentation.lighting=0.0",
    "augmentation.lighting=0.4", "label_smoothing=0.0", "size=240", "size=256",
)  # fmt: skip
FINETUNE_CHANGES = (
    "finetune.epochs=4", "finetune.epochs=12", "finetune.epochs=16", "finetune.lr=1e-3", "finetune.lr=4e-3",
    "finetune.lr_spread=3.0", "finetune.lr_spread=30.0", "finetune.ema_decay=0.0", "finetune.ema_decay=0.98",
    "finetune.ema_decay=0.995",
)  # fmt: skip
_COLUMNS = {
    "change": "change",
    "accuracy": "accuracy, last epoch",
    "difference": "points more than without",
    "coarse": "coarse, last epoch",
    "coarse_difference": "points more",
    "best": "accuracy, best epoch",
    "seconds": "seconds a fit",
    "cpu_seconds": "of CPU",
}


def main() -> None:
    """Fit the recipes that are missing and print them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_evaluator_options(parser)
    parser.add_argument("--valid", type=Path, help="CSV to evaluate on, instead of folds")
    parser.add_argument("--try", nargs="*", metavar="KEY=VALUE", dest="tried", help="by default a list of changes")
    options = parser.parse_args()
    tried = options.tried
    if tried is None:
        tried = [*HEAD_CHANGES, *(() if options.head_only else FINETUNE_CHANGES)]
    changes: dict[str, Changes] = {"": {}} | {text: parse_changes([text]) for text in tried}
    evaluator = make_evaluator(options, valid=options.valid)
    measured = {text: evaluator.evaluate(change) for text, change in changes.items()}
    print(f"{machine(options.device)}, {versions('torch')}\n\n{report(measured)}")


def report(measured: Mapping[str, Sequence[Values]]) -> str:
    """Format a row for each recipe, the one without a change first."""
    return markdown(_COLUMNS, [_row(text, values, measured[""]) for text, values in measured.items()])


def _row(text: str, values: Sequence[Values], baseline: Sequence[Values]) -> dict[str, object]:
    row: dict[str, object] = {"change": f"`{text}`" if text else "none"}
    for kind, name, difference in (
        ("correct", "accuracy", "difference"),
        ("coarse_correct", "coarse", "coarse_difference"),
    ):
        if kind in values[0]:
            row[name] = percent(fraction_correct(_joined(values, kind)))
            if text:
                groups = [group for part in values for group in part["groups"]]
                mean, error = paired_difference(_joined(values, kind), _joined(baseline, kind), groups)
                row[difference] = f"{100 * mean:+.1f} ± {100 * error:.1f}"
    row["best"] = percent(fraction_correct(_joined([part["best"] for part in values], "correct")))
    for cost in ("seconds", "cpu_seconds"):
        row[cost] = f"{sum(part[cost] for part in values) / len(values):.0f}"
    return row


def _joined(values: Sequence[Values], kind: str) -> str:
    return "".join(part[kind] for part in values)


def paired_difference(hits: str, baseline: str, groups: Sequence[str]) -> tuple[float, float]:
    """Return how much larger the fraction of hits is than in the baseline, and the standard error of that.

    The difference of two fractions of the same images is the mean of the images' differences, -1, 0 or 1 each, and its
    error is the error of that mean: images that both recipes get right or wrong cancel. If each image is a group of its
    own, that is the error of dependent proportions (Agresti 2013, "Categorical Data Analysis", 11.1), with n - 1
    instead of n.

    Args:
        hits: `1` or `0` for each image.
        baseline: The same, for the same images.
        groups: The group of near duplicates of each image.
    """
    differences = [int(own) - int(other) for own, other in zip(hits, baseline, strict=True)]
    return clustered_mean(differences, groups)


if __name__ == "__main__":
    main()
