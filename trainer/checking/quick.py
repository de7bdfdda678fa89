"""What a fit knows about its images without reading one again: duplicates, sizes and formats.

Its catalog reports images with contradicting labels, and classes of one image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from service.inputs import first_few
from trainer.catalog import Row
from trainer.checking.groups import members, same_bytes
from trainer.checking.shortcuts import find_shortcuts
from trainer.data.source import Original


def quick_warnings(rows: Sequence[Row], originals: Sequence[Original], *, data: str) -> Iterator[str]:
    """Yield one line for each kind of finding.

    Args:
        rows: The images, with their hashes.
        originals: Format and size of each; empty if they are not known.
        data: What the images were read from, for the command that shows more.
    """
    more = f"`check({data!r})` shows more"
    groups = same_bytes([bytes.fromhex(row.sha256 or "") for row in rows])
    copies = [group.tolist() for group in members(groups)]
    same = [group for group in copies if len({rows[place].labels for place in group}) == 1]
    if same:
        shown = first_few([" = ".join(rows[place].path for place in group[:2]) for group in same])
        count = sum(map(len, same))
        number = f"{len(same):,} {'group' if len(same) == 1 else 'groups'}"
        yield f"{count:,} images are exact duplicates, in {number} ({shown}); {more}."
    if originals:
        yield from _shortcut_warnings(rows, originals, more)


def _shortcut_warnings(rows: Sequence[Row], originals: Sequence[Original], more: str) -> Iterator[str]:
    sizes = np.array([(original.width, original.height) for original in originals], dtype=np.float64)
    formats = [original.format for original in originals]
    shortcuts = find_shortcuts(
        [row.labels for row in rows],
        numbers={"size": sizes.prod(axis=1)},
        names={
            "size": [f"{original.width} x {original.height}" for original in originals],
            # An older cache does not know the formats of its images, and others may be new.
            **({"format": formats} if all(formats) else {}),
        },
    )
    if shortcuts:
        classes = {shortcut.label for shortcut in shortcuts}
        yield (
            f"{len(classes):,} of the classes can be predicted by the size or the format of the images alone, and a "
            f"network may learn that instead: {shortcuts[0].label!r}: {shortcuts[0].text}; {more}."
        )
