"""What a reader found in one folder or table, before it becomes a catalog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.catalog.row import Row


@dataclass(frozen=True, kw_only=True)
class Source:
    """The images of one folder or table.

    root     absolute folder that the rows' paths start from, links resolved
    rows     every side is `train` where the source does not say which side is meant
    sided    whether the source says which side each image stands on
    remarks  sentences about what was ignored or gathered
    """

    root: Path
    rows: tuple[Row, ...]
    sided: bool
    remarks: tuple[str, ...] = ()
