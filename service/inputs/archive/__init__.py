"""A zip or tar of images, read in place: nothing is ever unpacked to a disk.

limits   what is refused: too many entries, too many bytes, too large a ratio
pread    a file that is read at any place by several threads and processes
gzip     a gzip file that is read at any place
members  what an archive contains, as a tree of folders
zips     zip
tars     tar and tar.gz
opening  the archive at a path, opened once
"""

from service.inputs.archive.limits import ArchiveLimits
from service.inputs.archive.members import Archive, ArchiveEntry
from service.inputs.archive.opening import archive_stem, has_archive_suffix, is_archive, open_archive

__all__ = [
    "Archive",
    "ArchiveEntry",
    "ArchiveLimits",
    "archive_stem",
    "has_archive_suffix",
    "is_archive",
    "open_archive",
]
