"""The check of images from Python.

A module called check would take the place of the function in the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fieldguide.inputs import read_inputs
from fieldguide.paths import StrPath
from fieldguide.progress import show_progress
from trainer.catalog import Catalog
from trainer.checking.findings import CheckResult, Finding, FoundImage
from trainer.checking.kinds import KINDS
from trainer.checking.page import render_notebook
from trainer.run import usable_threads
from trainer.run.check import CheckOptions, run_check


class Check:
    """What is wrong with images: what `check` returns. In a notebook it is shown with the images.

    Attributes:
        findings: What was found, one for each kind: `kind`, `summary`, `images` and `details`.
        remarks: Sentences about the data, and about what all of it has in common.
        images: Number of images that were checked.
    """

    def __init__(self, result: CheckResult) -> None:
        self._result = result
        self.findings: tuple[Finding, ...] = result.findings
        self.remarks = result.remarks
        self.images = result.images

    def __getitem__(self, kind: str) -> tuple[FoundImage, ...]:
        """The images of one kind, such as `check["blurred"]`; empty if nothing was found.

        Raises:
            KeyError: There is no such kind.
        """
        if kind not in KINDS:
            raise KeyError(f"{kind!r} is none of {', '.join(KINDS)}")
        return self._result.of(kind)

    def to_dict(self) -> dict[str, Any]:
        """Everything as a JSON object, as `fieldguide check --json` prints it."""
        return self._result.to_dict()

    def __repr__(self) -> str:
        found = ", ".join(f"{finding.kind} {len(finding.images):,}" for finding in self.findings)
        return f"Check({self.images:,} images: {found or 'nothing was found'})"

    def _repr_html_(self) -> str:
        return render_notebook(self._result)


def check(
    data: StrPath | Catalog,
    *,
    kinds: Sequence[str] | None = None,
    thorough: bool = False,
    device: str | torch.device = "auto",
    threads: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Check:
    """Find what is wrong with images. The same as the command `fieldguide check`. Nothing is changed.

    Args:
        data: A folder with one folder for each class, a CSV, or a catalog from `read_catalog`.
        kinds: What to report; None: everything.
        thorough: Whether near duplicates are also found by the features of a network. Takes several times as long.
        device: Where that network runs; see `fit`.
        threads: Number of threads that decode; None: one for each core.
        progress: Whether to show progress.
        **options: Those of `fit` that say how `data` is read: root, path_column, label_column ...

    Raises:
        TrainerError: There is no image, or no such device.
        TypeError: There is no such option, or it does not say how images are read.
        ValueError: There is no such kind.
    """
    unknown = [kind for kind in kinds or () if kind not in KINDS]
    if unknown:
        raise ValueError(f"`kinds` has {unknown[0]!r}, which is none of {', '.join(KINDS)}")
    inputs = read_inputs(data, None, options, only_reading=True)
    with show_progress(wanted=progress) as shown:
        how = CheckOptions(kinds=kinds, thorough=thorough, device=str(device), threads=usable_threads(threads))
        return Check(run_check(inputs.complete_recipe(shown.warn), how, shown, catalog=inputs.catalog))
