"""What each setting of the recipe is worth: one thing changed at a time, judged on the same images.

    python -m tests.benchmarks.ablation TABLE.csv... --work FOLDER [--valid VALID.csv | --folds 5] [--head-only]
        [--classes 20] [--try finetune.epochs=12 head.views=4,head.epochs=80 ...] [--set seed=1]

A change is KEY=VALUE of recipe.toml, or several with commas between. The recipe without a change comes first; `--set`
holds for all of them. Judged on `--valid`, or in cross-validation with photos that are alike kept together: then each
recipe costs as many fits as there are folds, and the difference between two recipes is known better.

Recipes are judged by their last epoch. The best epoch's accuracy stands beside it, but not in its place: it was chosen
on the images that judge it, and from more epochs where a recipe has more. What follows `±` is the standard error of
the difference on the same images, over groups of photos that are alike, since these are right or wrong together; it is
the error of other photos of the kind, not that of another seed. The seconds are those of the whole process, on images
that were decoded before its clock started.

Every fit is written to FOLDER/results.jsonl with its command and cost when it is done, and not run again while the
images, the recipe, the machine and the source of the trainer are the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.errors import clustered_mean
from tests.benchmarks.training.judge import add_judge_options, make_judge, share
from tests.benchmarks.training.recipes import Changes, parse_changes
from tests.benchmarks.training.results import Values, markdown, percent

OF_THE_HEAD = (
    "head.views=1", "head.views=4", "head.views=8", "head.epochs=20", "head.epochs=80", "head.lr=3e-3",
    "head.lr=3e-2", "augmentation.scale_min=0.1", "augmentation.scale_min=0.35", "augmentation.lighting=0.0",
    "augmentation.lighting=0.4", "label_smoothing=0.0", "size=240", "size=256",
)  # fmt: skip
OF_THE_WHOLE = (
    "finetune.epochs=4", "finetune.epochs=12", "finetune.epochs=16", "finetune.lr=1e-3", "finetune.lr=4e-3",
    "finetune.lr_spread=3.0", "finetune.lr_spread=30.0", "finetune.ema_decay=0.0", "finetune.ema_decay=0.98",
    "finetune.ema_decay=0.995",
)  # fmt: skip
_COLUMNS = {
    "change": "change",
    "accuracy": "accuracy, last epoch",
    "difference": "points more than without",
    "groups": "groups, last epoch",
    "group_difference": "points more",
    "best": "accuracy, best epoch",
    "seconds": "seconds a fit",
    "cpu_seconds": "of CPU",
}


def main() -> None:
    """Fit the recipes that are missing and print them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_judge_options(parser)
    parser.add_argument("--valid", type=Path, help="CSV to judge on, in place of folds")
    parser.add_argument("--try", nargs="*", metavar="KEY=VALUE", dest="tried", help="by default a list of changes")
    options = parser.parse_args()
    tried = options.tried
    if tried is None:
        tried = [*OF_THE_HEAD, *(() if options.head_only else OF_THE_WHOLE)]
    changes: dict[str, Changes] = {"": {}} | {text: parse_changes([text]) for text in tried}
    judge = make_judge(options, valid=options.valid)
    measured = {text: judge.measure(change) for text, change in changes.items()}
    print(f"{machine(options.device)}, {versions('torch')}\n\n{report(measured)}")


def report(measured: Mapping[str, Sequence[Values]]) -> str:
    """A row a recipe, the one without a change first."""
    return markdown(_COLUMNS, [_row(text, values, measured[""]) for text, values in measured.items()])


def _row(text: str, values: Sequence[Values], baseline: Sequence[Values]) -> dict[str, object]:
    row: dict[str, object] = {"change": f"`{text}`" if text else "none"}
    for kind, name, difference in (
        ("correct", "accuracy", "difference"),
        ("group_correct", "groups", "group_difference"),
    ):
        if kind in values[0]:
            row[name] = percent(share(_joined(values, kind)))
            if text:
                alike = [group for part in values for group in part["alike"]]
                mean, error = paired_difference(_joined(values, kind), _joined(baseline, kind), alike)
                row[difference] = f"{100 * mean:+.1f} ± {100 * error:.1f}"
    row["best"] = percent(share(_joined([part["best"] for part in values], "correct")))
    for cost in ("seconds", "cpu_seconds"):
        row[cost] = f"{sum(part[cost] for part in values) / len(values):.0f}"
    return row


def _joined(values: Sequence[Values], kind: str) -> str:
    return "".join(part[kind] for part in values)


def paired_difference(verdicts: str, baseline: str, alike: Sequence[str]) -> tuple[float, float]:
    """How much larger the share of ones is than in the baseline, on the same images, and the standard error of that.

    alike  of each image the group of those that show nearly the same

    The difference of two shares of the same images is the mean of the images' differences, -1, 0 or 1 each, and its
    error the error of that mean: what both recipes get right or wrong cancels. With a group for each image that is the
    error of dependent proportions (Agresti 2013, "Categorical Data Analysis", 11.1), n - 1 in place of n.
    """
    differences = [int(own) - int(other) for own, other in zip(verdicts, baseline, strict=True)]
    return clustered_mean(differences, alike)


if __name__ == "__main__":
    main()
