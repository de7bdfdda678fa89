"""What came of a download, for a person and as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.collect.failures import REASONS
from trainer.collect.journal import NAME, Fate
from trainer.collect.urls import Source


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """What came of a list of URLs.

    Attributes:
        folder: Where the images are.
        came: Number of images that this command downloaded.
        there: Number of images of the list that were there before.
        removed: Number of URLs whose image was removed since it was downloaded.
        duplicates: Number of URLs that gave the content of another one.
        failed: Reason (a key of `REASONS`, or a status such as 404) -> number of URLs.
        failed_before: Number of failed URLs that an earlier command tried, and this one did not.
        not_tried: Number of URLs that were not needed, because there are enough images.
        several_labels: Number of images that are listed under several labels; each is kept under the first.
        labels: Label -> number of images in the folder, of this list.
    """

    folder: Path
    came: int
    there: int
    removed: int
    duplicates: int
    failed: Mapping[str, int]
    failed_before: int
    not_tried: int
    several_labels: int
    labels: Mapping[str, int]

    @property
    def images(self) -> int:
        """Number of images of the list that are in the folder."""
        return self.came + self.there

    def to_json(self) -> dict[str, Any]:
        """Everything as a JSON object."""
        return {
            "folder": str(self.folder),
            "came": self.came,
            "there": self.there,
            "removed": self.removed,
            "duplicates": self.duplicates,
            "failed": dict(self.failed),
            "failed_before": self.failed_before,
            "not_tried": self.not_tried,
            "several_labels": self.several_labels,
            "labels": dict(self.labels),
            "journal": str(self.folder / NAME),
        }

    def __str__(self) -> str:
        """The same in lines for people."""
        lines = [f"{self.folder}: {_count(self.came, 'new image')}, {self.there:,} were there before"]
        if any(self.labels):
            lines.append("  " + ", ".join(f"{label} {count:,}" for label, count in self.labels.items()))
        if self.duplicates:
            lines.append(f"  the same image as another URL: {_count(self.duplicates, 'URL')}")
        if self.several_labels:
            lines.append(
                f"  under several labels in the list: {_count(self.several_labels, 'image')}; each is kept under its "
                f"first label, the others are in {NAME}"
            )
        if self.removed:
            lines.append(f"  removed since they were downloaded: {_count(self.removed, 'image')}")
        for reason, count in sorted(self.failed.items(), key=lambda item: (-item[1], item[0])):
            lines.append(f"  failed: {_count(count, 'URL')}: {_meaning(reason)}")
        if self.failed_before:
            lines.append(f"  failed in an earlier command, not tried again: {_count(self.failed_before, 'URL')}")
        if self.failed or self.failed_before:
            lines.append(f"  {NAME} says why; `retry_failed` tries again")
        if self.not_tried:
            lines.append(f"  not needed: {_count(self.not_tried, 'URL')}")
        return "\n".join(lines)


def summarise(
    folder: Path,
    sources: Sequence[Source],
    *,
    before: Mapping[str, Fate],
    now: Mapping[str, Fate],
    is_there: Callable[[Fate], bool],
) -> Downloads:
    """Count what came of a list of URLs.

    Args:
        folder: Where the images are.
        sources: The list.
        before: URL -> fate, as the command started.
        now: URL -> fate.
        is_there: Whether the image of a fate is in the folder.
    """
    counts, failed, labels = Counter[str](), Counter[str](), Counter[str]()
    labels_of_images: defaultdict[str, set[str]] = defaultdict(set)
    for source in sources:
        fate = now.get(source.url)
        if fate is None:
            counts["not_tried"] += 1
            continue
        is_new = fate is not before.get(source.url)
        if fate.path:
            labels_of_images[fate.sha256].update(source.labels)
        if fate.status == "failed":
            failed[_reason(fate)] += is_new
            counts["failed_before"] += not is_new
        elif fate.status == "duplicate":
            counts["duplicates"] += 1
        elif is_there(fate):
            counts["came" if is_new else "there"] += 1
            labels[fate.label] += 1
        else:
            counts["removed"] += 1
    return Downloads(
        folder=folder,
        failed=+failed,
        labels=labels,
        several_labels=sum(len(found) > 1 for found in labels_of_images.values()),
        **{name: counts[name] for name in ("came", "there", "removed", "duplicates", "failed_before", "not_tried")},
    )


def _reason(fate: Fate) -> str:
    return str(fate.http_status) if fate.reason == "http-status" else fate.reason


def _meaning(reason: str) -> str:
    return f"{REASONS['http-status']} (status {reason})" if reason.isdecimal() else REASONS[reason]


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
