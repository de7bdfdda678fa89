"""Which images there are, what each one is, and on which side of the split it stands."""

from trainer.catalog.catalog import Catalog
from trainer.catalog.errors import first_few
from trainer.catalog.hashing import hash_files
from trainer.catalog.readable import lost_classes, require_readable
from trainer.catalog.reading import read_catalog, read_test
from trainer.catalog.row import Row, Split
from trainer.catalog.split import HoldOut, hold_out
from trainer.catalog.table import COARSE_COLUMN

__all__ = [
    "COARSE_COLUMN",
    "Catalog",
    "HoldOut",
    "Row",
    "Split",
    "first_few",
    "hash_files",
    "hold_out",
    "lost_classes",
    "read_catalog",
    "read_test",
    "require_readable",
]
