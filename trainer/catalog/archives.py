"""An archive of a folder of images, read in place: `photos.zip/cat/1.jpg` is the path of an image in it."""

from __future__ import annotations

from pathlib import Path

from service.inputs import InputError, open_archive, top_folder
from trainer.catalog.names import is_split_name
from trainer.errors import CatalogError


def archive_root(archive: Path) -> Path:
    """Return the folder in an archive that is read as if it were the folder that was packed.

    That is its only folder, so that `zip -r photos.zip photos` gives the paths of `photos`; but not if that is a split.

    Raises:
        CatalogError: The archive cannot be read, or is damaged, encrypted or over a limit.
    """
    try:
        top = top_folder(archive)
    except InputError as error:
        raise CatalogError(str(error)) from error
    except OSError as error:
        raise CatalogError(f"{archive}: the archive cannot be read ({error.strerror}).") from error
    return archive if is_split_name(top.name) else top


def archive_remarks(archive: Path) -> tuple[str, ...]:
    """Return what was left out of an archive: links, devices, and paths that lead out of it."""
    return open_archive(archive).remarks
