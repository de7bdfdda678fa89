r"""Where the images are that a table names: as it is written, or in one of the ways in which people's paths are off.

A path is taken as it is written if that is a file. Otherwise the blanks around it are ignored, an address `file://` is
decoded, `\` is read as `/`, `~` is the home folder, an absolute path of another computer is looked for under the root,
and an id without suffix is the one image of this name. Only what finds a file is taken, and every kind is reported.
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from service.inputs.errors import InputError
from service.inputs.files import is_file, list_folder
from service.inputs.folder import IMAGE_SUFFIXES
from service.inputs.text import first_few, unwritable

_DRIVE = re.compile(r"[A-Za-z]:(?=/)")
_ADDRESS = re.compile(r"(?i)(https?|ftp|s3|gs|hf)://")
_MAX_DEPTH = 64  # folders above an image
_MAX_MISSING = 1_000  # so many missing images, and none that is there: the rest is not searched for in other ways

_BLANKS = "have blanks around them, which were ignored"
_FILE_ADDRESS = "are file:// addresses"
_BACKSLASHES = "are written with backslashes, which were read as slashes"
_HOME = "start with ~, which was read as the home folder"
_SUFFIX = "have no suffix, and the only image of this name was taken (`suffix` decides)"
_SPELLING = "differ from the name of the file in upper and lower case or in their Unicode form"


@dataclass(kw_only=True)
class _Kind:
    """One way in which paths were off: how many, and the first."""

    count: int = 0
    example: str = ""


@dataclass(kw_only=True)
class PathFinder:
    """Finds the images that the rows of one table name.

    Attributes:
        root: Folder that relative paths start from, absolute, with links resolved.
        suffix: Suffix of the images, such as `.jpg`, if the table leaves it out.
        must_exist: Whether the images must be there. If not, paths are taken as they are written, and the file system
            is not asked.
        missing: Row -> path, of the images that were not found.
        found: Number of images that were found.
    """

    root: Path
    suffix: str = ""
    must_exist: bool = True
    missing: dict[int, str] = field(default_factory=dict)
    found: int = 0
    _kinds: defaultdict[str, _Kind] = field(default_factory=lambda: defaultdict(_Kind))
    _foreign: dict[str, _Kind] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)
    _images: dict[str, Mapping[str, list[str]]] = field(default_factory=dict)

    def find(self, text: str, *, table: Path, number: int) -> str:
        """Return the path of an image, relative to the root, in POSIX form; `..` leads out of the root.

        Args:
            text: What the table says.
            table: For messages.
            number: Row of the table.

        Raises:
            InputError: The path is empty, has a control character, is an address in the internet, or has no suffix and
                several images fit.
        """
        where = f"{table}, row {number}"
        _require_usable(text, where=where)
        if not self.must_exist:
            return self.relative(text)
        form = text
        kinds: list[str] = []
        found = self._existing(form, kinds, where=where)
        if found is None and (self.found or len(self.missing) < _MAX_MISSING):
            for kind, change in _CHANGES:
                changed = change(form)
                if changed != form:
                    form = changed
                    kinds.append(kind)
                    found = self._existing(form, kinds, where=where)
                    if found is not None:
                        break
            else:
                found = self._under_root(form, kinds, where=where)
        if found is None:
            self.missing[number] = self.relative(text)
            return self.missing[number]
        self.found += 1
        for kind in kinds:
            self._count(self._kinds[kind], f"row {number}: {_shown(text)} is {found}")
        return found

    def remarks(self, table: Path) -> Iterator[str]:
        """Yield a sentence about each way in which paths were off."""
        for name, kind in self._kinds.items():
            yield f"{table}: {kind.count:,} paths {name} ({kind.example})."
        for prefix, kind in self._foreign.items():
            yield (
                f"{table}: {kind.count:,} paths are those of another computer: {_shown(prefix)} was read as "
                f"{self.root} ({kind.example})."
            )

    def _existing(self, form: str, kinds: list[str], *, where: str) -> str | None:
        """The file that a path means, relative to the root, or None; if its name differs, the kind is appended."""
        if unwritable(form):
            return None
        for text in dict.fromkeys((form if form.endswith(self.suffix) else form + self.suffix, form)):
            path = self.relative(text)
            if self._is_file(path):
                return path
        return self._by_name(self.relative(form), kinds, where=where)

    def _by_name(self, path: str, kinds: list[str], *, where: str) -> str | None:
        """The one image of this folder whose name is the same but for its suffix, case or Unicode form."""
        folder, name = posixpath.split(path)
        images = self._images_in(folder)
        keys = [(_key(name), _SPELLING)]
        if posixpath.splitext(name)[1].casefold() not in IMAGE_SUFFIXES:
            keys.append((_key(f"{name}.*"), _SUFFIX))
        for key, kind in keys:
            names = [found for found in images.get(key, []) if self._is_file(posixpath.join(folder, found))]
            if len(names) > 1 and kind == _SUFFIX:
                raise InputError(
                    f"{where}: {path!a} has no suffix, and {first_few(names)} fit; name one with `suffix`."
                )
            if len(names) == 1:
                kinds.append(kind)
                return posixpath.join(folder, names[0])
        return None

    def _images_in(self, folder: str) -> Mapping[str, list[str]]:
        """Key of a name, with its suffix and with `.*` in place of it -> names of images in the folder."""
        if folder not in self._images:
            try:
                names = [entry.name for entry in list_folder(self.root / folder)]
            except OSError:
                return {}
            images: defaultdict[str, list[str]] = defaultdict(list)
            for name in names:
                stem, suffix = posixpath.splitext(name)
                if suffix.casefold() in IMAGE_SUFFIXES:
                    images[_key(name)].append(name)
                    images[_key(f"{stem}.*")].append(name)
            self._images[folder] = dict(images)
        return self._images[folder]

    def _under_root(self, form: str, kinds: list[str], *, where: str) -> str | None:
        """The file under the root that an absolute path of another computer means, or None.

        What is left of the path is as long as possible. Later rows that start in the same way leave out as much.
        """
        drive = _DRIVE.match(form)
        path = form[drive.end() :] if drive else form
        parts = path.strip("/").split("/")
        if not path.startswith("/") or ".." in parts or len(parts) > _MAX_DEPTH:
            return None
        if not drive and os.path.isdir(posixpath.dirname(path)):  # noqa: PTH112  (a path of this computer)
            return None
        start = form[: len(form) - len(path.lstrip("/"))]
        prefixes = [start + "/".join(parts[:length]) for length in range(len(parts))]
        known = next((length for length, prefix in enumerate(prefixes) if prefix in self._foreign), None)
        for length in range(len(parts)) if known is None else (known,):
            found = self._existing("/".join(parts[length:]), kinds, where=where)
            if found is not None:
                kind = self._foreign.setdefault(prefixes[length], _Kind())
                self._count(kind, f"{where.rpartition(', ')[2]}: {_shown(form)} is {found}")
                return found
        return None

    def relative(self, text: str) -> str:
        """Return a path as it is written, relative to the root; no file is looked for."""
        if not posixpath.isabs(text):
            return posixpath.normpath(text)
        folder, name = posixpath.split(text)
        if folder not in self._folders:  # resolved like the root, to be comparable with it
            self._folders[folder] = os.path.relpath(Path(folder).resolve(), self.root)
        return posixpath.normpath(posixpath.join(self._folders[folder], name))

    def _is_file(self, path: str) -> bool:
        return is_file(f"{self.root}/{path}")

    @staticmethod
    def _count(kind: _Kind, example: str) -> None:
        kind.count += 1
        kind.example = kind.example or example


def relative_path(text: str, *, root: Path, where: str) -> str:
    """Return the path in `text`, absolute or relative to `root`, as a path relative to `root`; see `PathFinder`.

    Raises:
        InputError: It is empty, has a control character, or is an address in the internet. The message starts with
            `where`.
    """
    _require_usable(text, where=where)
    return PathFinder(root=root).relative(text)


def _require_usable(text: str, *, where: str) -> None:
    if not text.strip():
        raise InputError(f"{where}: the path is empty; name an image, or remove the row.")
    if unwritable(text.strip()):
        raise InputError(
            f"{where}: the path {text!a} has a control character or bytes that are not UTF-8; save the table as "
            "UTF-8, or rename the image."
        )
    if _ADDRESS.match(text.strip()):
        raise InputError(f"{where}: {text.strip()!a} is an address; download the images, and name the files.")


def _shown(text: str) -> str:
    return f"'{text}'" if text.isprintable() else ascii(text)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _from_address(form: str) -> str:
    if not form.casefold().startswith("file:"):
        return form
    parts = urlsplit(form.replace("\\", "/").replace("#", "%23").replace("?", "%3F"))
    path = unquote(parts.path, errors="surrogateescape")
    if parts.netloc.casefold() not in ("", "localhost"):
        return f"//{parts.netloc}{path}"
    return path[1:] if _DRIVE.match(path[1:]) else path


def _in_home(form: str) -> str:
    return os.path.expanduser(form) if form.startswith("~/") else form  # noqa: PTH111  (keeps the rest as it is)


# What is tried, one after the other, each on the result of the one before.
_CHANGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    (_BLANKS, str.strip),
    (_FILE_ADDRESS, _from_address),
    (_BACKSLASHES, lambda form: form.replace("\\", "/")),
    (_HOME, _in_home),
)
