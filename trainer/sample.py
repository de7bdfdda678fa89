"""A small real dataset with planted faults, to try everything on.

The 1,797 handwritten digits of scikit-learn (8 x 8 scans: Alpaydin and Kaynak 1998, "Optical Recognition of
Handwritten Digits", UCI Machine Learning Repository), drawn larger. Nothing is downloaded.
"""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

Fault = Literal["mislabelled", "exact_duplicate", "near_duplicate", "truncated", "not_an_image", "stored_rotated"]

_SIDE = 64  # pixels
_MISLABELLED_SHARE = 0.015
_EXACT_DUPLICATES = 12
_STRAY_DUPLICATES = 4  # exact duplicates that lie in another digit's folder
_NEAR_DUPLICATES = 12
_HELD_OUT_PER_DIGIT = 2
_ORIENTATION_TAG = 0x0112
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}

_RECIPE = """\
# What suits handwritten digits: a mirrored digit is no digit, and a 6 turned far enough is a 9.
# With the sample in DIR:
#
#     python -m trainer fit DIR --recipe DIR-recipe.toml --out RUN

size = 96  # the scans have 8 x 8 pixels: more would cost time and show nothing new

[finetune]
epochs = 4

[augmentation]
flip = 0.0
rotation_degrees = 10.0
scale_min = 0.7
lighting = 0.2
"""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One fault that was planted.

    path        the file, from the sample's folder
    fault       what is wrong with it
    true_label  the digit that it shows, whatever folder it lies in; None where it shows none
    twin        the file that it repeats; None where it repeats none
    """

    path: str
    fault: Fault
    true_label: str | None
    twin: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was written: the folder, what stands beside it, the number of files in the folder, and the faults."""

    folder: Path
    held_out: Path
    planted_file: Path
    recipe_file: Path
    files: int
    planted: tuple[Planted, ...]


@dataclass(frozen=True, kw_only=True)
class _Scan:
    """One digit: a number that is its own, what it shows, and its image."""

    number: int
    digit: int
    image: Image.Image


@dataclass(kw_only=True)
class _Draft:
    """A sample before it is written: path -> bytes, and what was planted; files that are no scan count on."""

    rng: np.random.Generator
    numbers: Iterator[int]
    files: dict[str, bytes] = field(default_factory=dict)
    planted: list[Planted] = field(default_factory=list)

    def place(self, scan: _Scan, *, label: int | None = None) -> str:
        """Put a scan into a folder, its own digit's by default, in a format drawn by lot; returns its path."""
        format_ = str(self.rng.choice(sorted(_SUFFIXES)))
        name = f"{scan.number:04}{_SUFFIXES[format_]}"
        return self.put(name, _encode(scan.image, format_), label=scan.digit if label is None else label)

    def put(self, name: str, content: bytes, *, label: int) -> str:
        """Put a file into a digit's folder; returns its path."""
        path = f"{label}/scan-{name}"
        self.files[path] = content
        return path

    def plant(self, path: str, fault: Fault, *, shows: int | None, twin: str | None = None) -> None:
        """Note a fault."""
        label = None if shows is None else str(shows)
        self.planted.append(Planted(path=path, fault=fault, true_label=label, twin=twin))

    def another(self, digit: int) -> int:
        """Another digit, drawn by lot."""
        return int(digit + self.rng.integers(1, 10)) % 10

    def next_name(self, suffix: str) -> str:
        """The name of a file that is no scan of its own."""
        return f"{next(self.numbers):04}{suffix}"


def write_sample(folder: Path, *, seed: int = 0) -> Sample:
    """Write digits into `folder`, one folder a digit, and beside it what a user of them needs.

    FOLDER               about 1,800 PNG, JPEG and WebP files of 64 pixels, some of them faulty
    FOLDER-held-out      20 sound images of other digits, one folder a digit, for `trainer evaluate` and the service
    FOLDER-planted.json  the faults, one by one
    FOLDER-recipe.toml   augmentation that suits digits

    The same seed gives the same bytes (with one build of Pillow). Raises FileExistsError where one of the four is
    there already; they are written whole or not at all.
    """
    folder = folder.resolve()
    held_out, planted_file, recipe_file = (
        folder.with_name(folder.name + ending) for ending in ("-held-out", "-planted.json", "-recipe.toml")
    )
    places = (held_out, planted_file, recipe_file, folder)  # the folder last: where it is, everything is
    taken = [str(place) for place in places if place.exists() or place.is_symlink()]
    if taken:
        raise FileExistsError(f"{', '.join(taken)}: there already; give another folder, or move it away.")
    examples, scans = _scans(seed)
    draft = _draft(scans, seed=seed)
    sample = Sample(
        folder=folder,
        held_out=held_out,
        planted_file=planted_file,
        recipe_file=recipe_file,
        files=len(draft.files),
        planted=tuple(draft.planted),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        stage = Path(temporary)
        _write(stage / folder.name, draft.files)
        _write(
            stage / held_out.name,
            {f"{scan.digit}/scan-{scan.number:04}.png": _encode(scan.image, "PNG") for scan in examples},
        )
        faults = [asdict(planted) for planted in sample.planted]
        (stage / planted_file.name).write_text(json.dumps(faults, indent=1) + "\n", encoding="utf-8")
        (stage / recipe_file.name).write_text(_RECIPE, encoding="utf-8")
        _move(stage, places)
    return sample


def _scans(seed: int) -> tuple[list[_Scan], list[_Scan]]:
    """The scans in a shuffled order: a few of each digit to hold out, and the rest."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    held_out: list[_Scan] = []
    rest: list[_Scan] = []
    for number in np.random.default_rng(seed).permutation(len(digits.target)):
        ink = np.pad(digits.images[number], 1)  # a margin, so that a turned digit stays whole
        paper = Image.fromarray((255 - ink * 255 / 16).round().astype(np.uint8))
        image = paper.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        scan = _Scan(number=int(number), digit=int(digits.target[number]), image=image)
        enough = sum(other.digit == scan.digit for other in held_out) == _HELD_OUT_PER_DIGIT
        (rest if enough else held_out).append(scan)
    return held_out, rest


def _draft(scans: Sequence[_Scan], *, seed: int) -> _Draft:
    """Every scan in a folder, and the faults, each made from a scan of its own."""
    draft = _Draft(rng=np.random.default_rng((seed, 1)), numbers=itertools.count(2000))
    unused = iter(scans)
    for scan in itertools.islice(unused, round(_MISLABELLED_SHARE * len(scans))):
        draft.plant(draft.place(scan, label=draft.another(scan.digit)), "mislabelled", shows=scan.digit)
    for index, scan in enumerate(itertools.islice(unused, _EXACT_DUPLICATES + _STRAY_DUPLICATES)):
        twin = draft.place(scan)
        label = scan.digit if index < _EXACT_DUPLICATES else draft.another(scan.digit)
        path = draft.put(draft.next_name(Path(twin).suffix), draft.files[twin], label=label)
        draft.plant(path, "exact_duplicate", shows=scan.digit, twin=twin)
    for index, scan in enumerate(itertools.islice(unused, _NEAR_DUPLICATES)):
        twin = draft.place(scan)
        path = draft.put(draft.next_name(".jpg"), _nearly(scan.image, index), label=scan.digit)
        draft.plant(path, "near_duplicate", shows=scan.digit, twin=twin)
    rotated, cut = next(unused), next(unused)
    path = draft.put(f"{rotated.number:04}.jpg", _stored_rotated(rotated.image), label=rotated.digit)
    draft.plant(path, "stored_rotated", shows=rotated.digit)
    whole = _encode(cut.image, "JPEG")
    path = draft.put(f"{cut.number:04}.jpg", whole[: len(whole) * 3 // 4], label=cut.digit)
    draft.plant(path, "truncated", shows=cut.digit)
    path = draft.put(draft.next_name(".jpg"), b"This is not an image, whatever its name says.\n", label=cut.digit)
    draft.plant(path, "not_an_image", shows=None)
    for scan in unused:
        draft.place(scan)
    return draft


def _encode(image: Image.Image, format_: str, *, quality: int = 90, orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[_ORIENTATION_TAG] = orientation
    buffer = io.BytesIO()
    image.save(buffer, format_, quality=quality, exif=exif)
    return buffer.getvalue()


def _nearly(image: Image.Image, index: int) -> bytes:
    """The image compressed harder, shifted by two pixels, or darker, in turn; as JPEG."""
    match index % 3:
        case 0:
            return _encode(image, "JPEG", quality=50)
        case 1:
            shift = (1, 0, -2, 0, 1, 1)
            return _encode(image.transform(image.size, Image.Transform.AFFINE, shift, fillcolor=255), "JPEG")
        case _:
            return _encode(image.point([value * 85 // 100 for value in range(256)]), "JPEG")


def _stored_rotated(image: Image.Image) -> bytes:
    """A quarter turn to the left in the file, and the EXIF orientation that turns it back."""
    return _encode(image.transpose(Image.Transpose.ROTATE_90), "JPEG", orientation=6)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _move(stage: Path, places: Sequence[Path]) -> None:
    """Rename every place's draft to the place; when one fails, those before it go back."""
    moved: list[Path] = []
    try:
        for place in places:
            (stage / place.name).rename(place)
            moved.append(place)
    except OSError:
        for place in moved:
            place.rename(stage / place.name)
        raise
