"""Which images there are, what each one shows, and its split.

row      one image, and what a reader finds
labels   cleaning, sorting, coarse labels
folder   a folder of images -> rows
table    a CSV -> rows, and back
split    which images are held out for validation
files    hashes, and images that cannot be decoded
catalog  the table of images
reading  a folder or a CSV -> a catalog
lists    lists of paths and labels -> a catalog
"""

from service.inputs import first_few
from trainer.catalog.catalog import Catalog
from trainer.catalog.files import hash_files, lost_classes, require_readable
from trainer.catalog.lists import catalog_from_lists
from trainer.catalog.reading import read_catalog, read_test
from trainer.catalog.row import Row, Split
from trainer.catalog.split import HoldOut, hold_out
from trainer.catalog.table import COARSE_COLUMN, Columns

__all__ = [
    "COARSE_COLUMN",
    "Catalog",
    "Columns",
    "HoldOut",
    "Row",
    "Split",
    "catalog_from_lists",
    "first_few",
    "hash_files",
    "hold_out",
    "lost_classes",
    "read_catalog",
    "read_test",
    "require_readable",
]
