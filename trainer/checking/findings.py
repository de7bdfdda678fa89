"""What a check found, for people and for programs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainer.checking.kinds import KINDS
from trainer.checking.scan import Scan


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """One image of a finding.

    Attributes:
        path: Relative to the root.
        labels: What it shows.
        split: Its split, if the data gives one.
        detail: Why it was found, or what it has in common with its group.
        group: Number of its group in the finding; None if the finding has no groups.
        keep: Whether it is the one of its group that should stay.
        sha256: Of its bytes, hexadecimal; empty if the file cannot be read.
    """

    path: str
    labels: tuple[str, ...]
    split: str
    detail: str
    group: int | None = None
    keep: bool = False
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one kind.

    Attributes:
        kind: A key of `KINDS`.
        summary: One sentence.
        images: The images; those of a group follow each other, the one to keep first.
        details: Further sentences, about classes.
    """

    kind: str
    summary: str
    images: tuple[FoundImage, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What a person calls the kind."""
        return KINDS[self.kind].title

    def to_dict(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return {
            "kind": self.kind,
            "summary": self.summary,
            "advice": KINDS[self.kind].advice,
            "details": list(self.details),
            "images": [
                {
                    "path": image.path,
                    "labels": list(image.labels),
                    "split": image.split,
                    "detail": image.detail,
                    "group": image.group,
                    "keep": image.keep,
                    "sha256": image.sha256,
                }
                for image in self.images
            ],
        }


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a check found.

    Attributes:
        root: Folder that the paths are relative to.
        summary: What was read, in one line.
        images: Number of images that were checked.
        classes: Number of classes; 0 if the labels are not known.
        findings: One for each kind of which something was found.
        remarks: Sentences about the data, and about what all of it has in common.
        seconds: How long it took.
    """

    root: Path
    summary: str
    images: int
    classes: int
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    seconds: float

    def of(self, kind: str) -> tuple[FoundImage, ...]:
        """The images of one kind; none if nothing was found."""
        return next((finding.images for finding in self.findings if finding.kind == kind), ())

    def only(self, kinds: Collection[str]) -> CheckResult:
        """The result with the findings of these kinds alone."""
        return replace(self, findings=tuple(finding for finding in self.findings if finding.kind in kinds))

    def to_dict(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {
            "root": str(self.root),
            "summary": self.summary,
            "images": self.images,
            "classes": self.classes,
            "findings": [finding.to_dict() for finding in self.findings],
            "remarks": list(self.remarks),
            "seconds": round(self.seconds, 2),
        }


def found_image(found: Scan, place: int, detail: str, *, group: int | None = None, keep: bool = False) -> FoundImage:
    """An image of a scan, by its position, as one of a finding."""
    item = found.images.items[place]
    return FoundImage(
        path=item.path,
        labels=tuple(sorted(item.labels)),
        split=item.split,
        detail=detail,
        group=group,
        keep=keep,
        sha256=found.sha256[place].hex(),
    )
