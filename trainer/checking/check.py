"""The whole check: scan, then the findings of every kind in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from service.inputs import first_few
from service.pixels import UInt8Array
from trainer.catalog.labels import natural_key
from trainer.checking.duplicates import duplicate_findings, find_duplicates
from trainer.checking.findings import CheckResult, Finding, found_image
from trainer.checking.items import Items
from trainer.checking.kinds import KINDS
from trainer.checking.quality import quality_findings
from trainer.checking.scan import Scan, scan
from trainer.checking.shortcuts import Shortcut, find_shortcuts
from trainer.progress import Progress

Positions = npt.NDArray[np.int64]

_EXAMPLES = 4  # images of a class that something predicts


class Embedder(Protocol):
    """Finds near duplicates by the features of a network."""

    def add(self, position: int, pixels: UInt8Array) -> None:
        """Take the pixels of one image, uint8 [160, 160, 3]."""

    def groups(self) -> Sequence[Positions]:
        """The positions of each group of near duplicates."""


def check_images(images: Items, *, threads: int, progress: Progress, embedder: Embedder | None = None) -> CheckResult:
    """Decode every image, and report what is wrong with them. Nothing is changed.

    Memory is about 2.5 KB an image, and what a few images a thread take while they are decoded.

    Args:
        images: The images.
        threads: Number of images that are decoded at the same time.
        progress: Is advanced by every image.
        embedder: Also finds near duplicates by the features of a network; None: by hashes alone.
    """
    started = time.monotonic()
    found = scan(images, threads=threads, progress=progress, consume=embedder.add if embedder else None)
    similar = embedder.groups() if embedder else ()
    duplicates = find_duplicates(found, threads=threads, similar=similar)
    findings, remarks = [], [*images.remarks]
    for result in (*quality_findings(found), *duplicate_findings(found, duplicates), *shortcut_findings(found)):
        if isinstance(result, str):
            remarks.append(result)
        else:
            findings.append(result)
    order = list(KINDS)
    return CheckResult(
        root=images.root,
        summary=images.summary,
        images=len(found),
        classes=len({label for item in images.items for label in item.labels}),
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
        remarks=tuple(remarks),
        seconds=time.monotonic() - started,
    )


def shortcut_findings(found: Scan) -> Iterator[Finding]:
    """Yield the finding about classes that something else than the content predicts, if there are any."""
    decoded = found.decoded
    sizes = found.sizes[decoded].astype(np.float64)
    places = decoded.tolist()
    shortcuts = find_shortcuts(
        [found.images.items[place].labels for place in places],
        numbers={
            "brightness": found.measured("brightness")[decoded].astype(np.float64),
            "size": sizes.prod(axis=1),
            "aspect ratio": np.round(sizes[:, 0] / sizes[:, 1], 3),
        },
        names={
            "size": [f"{width:.0f} x {height:.0f}" for width, height in sizes.tolist()],
            "format": [found.formats[place] for place in places],
            "camera": [found.cameras[place] for place in places],
        },
    )
    if shortcuts:
        yield _shortcut_finding(found, shortcuts)


def _shortcut_finding(found: Scan, shortcuts: Sequence[Shortcut]) -> Finding:
    """The finding about shortcuts, with examples of each class."""
    labels = sorted({shortcut.label for shortcut in shortcuts}, key=natural_key)
    places = {
        label: [place for place in found.decoded.tolist() if label in found.images.items[place].labels]
        for label in labels
    }
    return Finding(
        kind="shortcuts",
        summary=f"{len(labels):,} {'class' if len(labels) == 1 else 'classes'} can be predicted without looking at "
        f"what the images show: {first_few([repr(label) for label in labels])}.",
        details=tuple(map(str, shortcuts)),
        images=tuple(
            found_image(found, place, f"an example of {label!r}", group=number, keep=True)
            for number, label in enumerate(labels)
            for place in places[label][:_EXAMPLES]
        ),
    )
