"""Folders and tables of images, as rows; without torch, so that both programs can read them.

errors   InputError
text     names that a table can hold, and lists in messages
content  whether the first bytes of a file are those of an image
folder   which images a folder contains: `walk`
table    the rows of a table as they are written: `read_records`
"""

from service.inputs.content import is_image_content
from service.inputs.errors import InputError
from service.inputs.folder import IMAGE_SUFFIXES, Found, walk
from service.inputs.table import Record, is_table, read_records, relative_path
from service.inputs.text import first_few, unwritable

__all__ = [
    "IMAGE_SUFFIXES",
    "Found",
    "InputError",
    "Record",
    "first_few",
    "is_image_content",
    "is_table",
    "read_records",
    "relative_path",
    "unwritable",
    "walk",
]
