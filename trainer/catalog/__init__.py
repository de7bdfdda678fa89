"""Which images there are, what each one shows, and its split.

row        one image, and what a reader finds
labels     cleaning, sorting, spellings, coarse labels
options    how a folder or a CSV is read
names      what the name of a folder says: a split, or nothing
levels     which folder above an image is its class, which its split
folder     a folder of images -> rows; folder_remarks: what to know about it
table      a CSV -> rows, and back
split      which images are held out for validation
splitting  splits by the data, a list, a function, or a random part
files      hashes, and images that cannot be read
remarks    what was read, and what is doubtful, in sentences
catalog    the table of images
reading    a folder or a CSV -> a catalog
lists      lists of paths and labels -> a catalog
"""

from service.inputs import first_few
from trainer.catalog.catalog import Catalog
from trainer.catalog.files import broken_images, hash_files, lost_classes, require_readable
from trainer.catalog.lists import catalog_from_lists
from trainer.catalog.options import Columns, ReadOptions
from trainer.catalog.reading import read_catalog, read_source, read_test
from trainer.catalog.remarks import summary_line
from trainer.catalog.row import Row, Split
from trainer.catalog.split import HoldOut, hold_out
from trainer.catalog.table import COARSE_COLUMN, write_table

__all__ = [
    "COARSE_COLUMN",
    "Catalog",
    "Columns",
    "HoldOut",
    "ReadOptions",
    "Row",
    "Split",
    "broken_images",
    "catalog_from_lists",
    "first_few",
    "hash_files",
    "hold_out",
    "lost_classes",
    "read_catalog",
    "read_source",
    "read_test",
    "require_readable",
    "summary_line",
    "write_table",
]
