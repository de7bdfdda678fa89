"""Folders and tables of images, as rows; without torch, so that both programs can read them.

errors      InputError
text        names that a table can hold, and lists in messages
archive     a zip or tar, read in place
files       files and folders, on the disk or in an archive: `read_bytes`
content     whether the first bytes of a file are those of an image
folder      which images a folder contains: `walk`
record      a row of a table, and which of its columns are read
encoding    the text of a table: UTF-8 and UTF-16
delimited   CSV
json_lines  JSON lines
parquet     Parquet, with the extra `parquet`
table       the rows of a table as they are written: `read_records`
paths       where the images are that a table names: `PathFinder`
"""

from service.inputs.archive import archive_stem, is_archive, open_archive
from service.inputs.content import is_image_content
from service.inputs.errors import InputError
from service.inputs.files import is_file, list_folder, open_file, read_bytes, top_folder
from service.inputs.folder import IMAGE_SUFFIXES, Found, walk
from service.inputs.paths import PathFinder, relative_path
from service.inputs.record import Cell, Record, assumed_columns
from service.inputs.table import is_table, read_records
from service.inputs.text import first_few, unwritable

__all__ = [
    "IMAGE_SUFFIXES",
    "Cell",
    "Found",
    "InputError",
    "PathFinder",
    "Record",
    "archive_stem",
    "assumed_columns",
    "first_few",
    "is_archive",
    "is_file",
    "is_image_content",
    "is_table",
    "list_folder",
    "open_archive",
    "open_file",
    "read_bytes",
    "read_records",
    "relative_path",
    "top_folder",
    "unwritable",
    "walk",
]
