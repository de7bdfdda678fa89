"""A small real dataset with planted faults, to try everything on.

It is the 1,797 handwritten digits of scikit-learn (scans of 8 x 8 pixels: Alpaydin and Kaynak 1998, "Optical
Recognition of Handwritten Digits", UCI Machine Learning Repository), enlarged. Nothing is downloaded.
"""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

Fault = Literal[
    "mislabelled", "exact_duplicate", "near_duplicate", "truncated", "not_an_image", "stored_rotated",
    "dark", "light", "blurred", "one_colour", "wrong_suffix", "animated", "tiny", "class_by_size",
]  # fmt: skip

_SIZE = 64  # pixels, width and height
_MISLABELLED_FRACTION = 0.015
_EXACT_DUPLICATES = 12
_MISLABELLED_DUPLICATES = 4  # exact duplicates in the folder of another digit
_NEAR_DUPLICATES = 12
_HELD_OUT_PER_DIGIT = 2
_OF_EACH_KIND = 3  # dark, light, blurred ...
_CLASS_BY_SIZE = 4  # all files in the folder of this digit are larger than those in the other folders
_LARGER_SIZE = 72
_TINY_SIZE = 12
_ONE_COLOURS = ((205, 205, 205), (96, 128, 96), (250, 250, 240))
_ORIENTATION_TAG = 0x0112
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}

_RECIPE = """\
# Settings for handwritten digits: a mirrored digit is not a digit, and a 6 rotated far enough is a 9.
# If the sample is in DIR:
#
#     fieldguide fit DIR --recipe DIR-recipe.toml

size = 96  # the scans have 8 x 8 pixels: a larger size takes more time and shows nothing new

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
    """One planted fault.

    Attributes:
        path: The file, relative to the sample's folder; with the fault `class_by_size` the folder of a digit.
        fault: What is wrong with it.
        true_label: The digit that it shows, which may differ from its folder; None if it shows no digit.
        duplicate_of: The file that it duplicates, relative to the sample's folder; None if it is not a duplicate.
    """

    path: str
    fault: Fault
    true_label: str | None
    duplicate_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was written.

    Attributes:
        folder: The dataset.
        held_out: Folder of images that are not in the dataset.
        planted_file: List of the faults, JSON.
        recipe_file: Recipe for the dataset, TOML.
        files: Number of files in `folder`.
        planted: The faults.
    """

    folder: Path
    held_out: Path
    planted_file: Path
    recipe_file: Path
    files: int
    planted: tuple[Planted, ...]

    @property
    def faulty_files(self) -> int:
        """Number of files with a planted fault of their own."""
        return sum(planted.fault != "class_by_size" for planted in self.planted)


@dataclass(frozen=True, kw_only=True)
class _Scan:
    """One digit: its unique number, what it shows, and its image."""

    number: int
    digit: int
    image: Image.Image


@dataclass(kw_only=True)
class _Draft:
    """A sample before it is written.

    Attributes:
        rng: Draws formats and wrong labels.
        numbers: Numbers for the names of files that are not a scan of their own, such as duplicates.
        files: Path -> bytes.
        planted: The faults so far.
    """

    rng: np.random.Generator
    numbers: Iterator[int]
    files: dict[str, bytes] = field(default_factory=dict)
    planted: list[Planted] = field(default_factory=list)

    def place(self, scan: _Scan, *, label: int | None = None) -> str:
        """Put a scan into the folder of a label (default: its own digit), in a random format; return its path."""
        format_ = str(self.rng.choice(sorted(_SUFFIXES)))
        name = f"{scan.number:04}{_SUFFIXES[format_]}"
        label = scan.digit if label is None else label
        return self.put(name, _encode(_sized(scan.image, label), format_), label=label)

    def put(self, name: str, content: bytes, *, label: int) -> str:
        """Put a file into the folder of a digit; return its path."""
        path = f"{label}/scan-{name}"
        self.files[path] = content
        return path

    def plant(self, path: str, fault: Fault, *, shows: int | None, duplicate_of: str | None = None) -> None:
        """Add a fault to the list."""
        label = None if shows is None else str(shows)
        self.planted.append(Planted(path=path, fault=fault, true_label=label, duplicate_of=duplicate_of))

    def other_digit(self, digit: int) -> int:
        """Draw another digit at random."""
        return int(digit + self.rng.integers(1, 10)) % 10

    def next_name(self, suffix: str) -> str:
        """Return the name for a file that is not a scan of its own."""
        return f"{next(self.numbers):04}{suffix}"


def write_sample(folder: Path, *, seed: int = 0) -> Sample:
    """Write digits into a folder with one folder for each digit, and three more outputs next to it.

    FOLDER               about 1,800 PNG, JPEG and WebP files of 64 x 64 pixels (72 x 72 of one digit), some with faults
    FOLDER-held-out      20 good images of other digits, one folder for each digit, to evaluate and to predict
    FOLDER-planted.json  the list of faults
    FOLDER-recipe.toml   augmentation for digits

    All four are written, or none. The same seed gives the same bytes with the same build of Pillow.

    Raises:
        FileExistsError: One of the four exists already.
    """
    folder = folder.resolve()
    held_out, planted_file, recipe_file = (
        folder.with_name(folder.name + ending) for ending in ("-held-out", "-planted.json", "-recipe.toml")
    )
    targets = (held_out, planted_file, recipe_file, folder)  # the folder last: if it exists, everything exists
    existing = [str(target) for target in targets if target.exists() or target.is_symlink()]
    if existing:
        raise FileExistsError(f"{', '.join(existing)}: exists already; give another folder, or move it away.")
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
        _move(stage, targets)
    return sample


def _scans(seed: int) -> tuple[list[_Scan], list[_Scan]]:
    """Return the scans in a shuffled order: a few of each digit to hold out, and the rest."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    held_out: list[_Scan] = []
    rest: list[_Scan] = []
    for number in np.random.default_rng(seed).permutation(len(digits.target)):
        ink = np.pad(digits.images[number], 1)  # a margin, so that rotation does not cut the digit
        paper = Image.fromarray((255 - ink * 255 / 16).round().astype(np.uint8))
        image = paper.resize((_SIZE, _SIZE), Image.Resampling.BICUBIC)
        scan = _Scan(number=int(number), digit=int(digits.target[number]), image=image)
        enough = sum(other.digit == scan.digit for other in held_out) == _HELD_OUT_PER_DIGIT
        (rest if enough else held_out).append(scan)
    return held_out, rest


def _draft(scans: Sequence[_Scan], *, seed: int) -> _Draft:
    """Put every scan into a folder, and plant the faults, each made from a different scan."""
    draft = _Draft(rng=np.random.default_rng((seed, 1)), numbers=itertools.count(2000))
    unused = iter(scans)
    for scan in itertools.islice(unused, round(_MISLABELLED_FRACTION * len(scans))):
        draft.plant(draft.place(scan, label=draft.other_digit(scan.digit)), "mislabelled", shows=scan.digit)
    for index, scan in enumerate(itertools.islice(unused, _EXACT_DUPLICATES + _MISLABELLED_DUPLICATES)):
        original = draft.place(scan)
        label = scan.digit if index < _EXACT_DUPLICATES else draft.other_digit(scan.digit)
        path = draft.put(draft.next_name(Path(original).suffix), draft.files[original], label=label)
        draft.plant(path, "exact_duplicate", shows=scan.digit, duplicate_of=original)
    for index, scan in enumerate(itertools.islice(unused, _NEAR_DUPLICATES)):
        original = draft.place(scan)
        content = _near_duplicate(_sized(scan.image, scan.digit), index)
        path = draft.put(draft.next_name(".jpg"), content, label=scan.digit)
        draft.plant(path, "near_duplicate", shows=scan.digit, duplicate_of=original)
    rotated, truncated = next(unused), next(unused)
    content = _stored_rotated(_sized(rotated.image, rotated.digit))
    path = draft.put(f"{rotated.number:04}.jpg", content, label=rotated.digit)
    draft.plant(path, "stored_rotated", shows=rotated.digit)
    content = _encode(truncated.image, "JPEG")
    path = draft.put(f"{truncated.number:04}.jpg", content[: len(content) * 3 // 4], label=truncated.digit)
    draft.plant(path, "truncated", shows=truncated.digit)
    text = b"This is not an image, whatever its name says.\n"
    path = draft.put(draft.next_name(".jpg"), text, label=truncated.digit)
    draft.plant(path, "not_an_image", shows=None)
    _plant_unusual(draft, unused)
    for scan in unused:
        draft.place(scan)
    draft.plant(str(_CLASS_BY_SIZE), "class_by_size", shows=None)
    return draft


def _plant_unusual(draft: _Draft, unused: Iterator[_Scan]) -> None:
    """Plant three images of each kind that stand out, of any digit but the one whose images have another size."""
    scans = (scan for scan in unused if scan.digit != _CLASS_BY_SIZE or not draft.place(scan))
    for index in range(_OF_EACH_KIND):
        for fault, change in _CHANGES.items():
            scan = next(scans)
            path = draft.put(f"{scan.number:04}.png", _encode(change(scan.image), "PNG"), label=scan.digit)
            draft.plant(path, fault, shows=scan.digit)
        scan = next(scans)
        content = _encode(scan.image, ("PNG", "JPEG", "WEBP")[index])
        suffix = (".jpg", ".webp", ".png")[index]
        draft.plant(draft.put(f"{scan.number:04}{suffix}", content, label=scan.digit), "wrong_suffix", shows=scan.digit)
        scan = next(scans)
        path = draft.put(f"{scan.number:04}.gif", _animated(scan.image), label=scan.digit)
        draft.plant(path, "animated", shows=scan.digit)
        colour = Image.new("RGB", (_SIZE, _SIZE), _ONE_COLOURS[index])
        path = draft.put(draft.next_name(".png"), _encode(colour, "PNG"), label=scan.digit)
        draft.plant(path, "one_colour", shows=None)


def _encode(image: Image.Image, format_: str, *, quality: int = 90, orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[_ORIENTATION_TAG] = orientation
    buffer = io.BytesIO()
    image.save(buffer, format_, quality=quality, exif=exif)
    return buffer.getvalue()


def _near_duplicate(image: Image.Image, index: int) -> bytes:
    """Return the image as JPEG: for index 0, 1, 2, ... in turn compressed more, shifted by two pixels, or darker."""
    match index % 3:
        case 0:
            return _encode(image, "JPEG", quality=50)
        case 1:
            shift = (1, 0, -2, 0, 1, 1)
            return _encode(image.transform(image.size, Image.Transform.AFFINE, shift, fillcolor=255), "JPEG")
        case _:
            return _encode(image.point([value * 85 // 100 for value in range(256)]), "JPEG")


def _darker(image: Image.Image) -> Image.Image:
    return image.point([value * 15 // 100 for value in range(256)])


def _lighter(image: Image.Image) -> Image.Image:
    return image.point([255 - (255 - value) * 15 // 100 for value in range(256)])


def _blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_SIZE // 10))


def _tiny(image: Image.Image) -> Image.Image:
    return image.resize((_TINY_SIZE, _TINY_SIZE), Image.Resampling.BOX)


_CHANGES: Mapping[Fault, Callable[[Image.Image], Image.Image]] = {
    "dark": _darker,
    "light": _lighter,
    "blurred": _blurred,
    "tiny": _tiny,
}


def _animated(image: Image.Image) -> bytes:
    """Return a GIF of the image, and then of the image upside down."""
    buffer = io.BytesIO()
    image.save(buffer, "GIF", save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)], duration=500)
    return buffer.getvalue()


def _sized(image: Image.Image, label: int) -> Image.Image:
    """Return the image in the size of all images in the folder of a label."""
    size = _LARGER_SIZE if label == _CLASS_BY_SIZE else _SIZE
    return image if image.width == size else image.resize((size, size), Image.Resampling.BICUBIC)


def _stored_rotated(image: Image.Image) -> bytes:
    """Return a JPEG that is stored a quarter turn to the left, with the EXIF orientation that turns it back."""
    return _encode(image.transpose(Image.Transpose.ROTATE_90), "JPEG", orientation=6)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _move(stage: Path, targets: Sequence[Path]) -> None:
    """Move every target out of the stage; if one fails, move those before it back."""
    moved: list[Path] = []
    try:
        for target in targets:
            (stage / target.name).rename(target)
            moved.append(target)
    except OSError:
        for target in moved:
            target.rename(stage / target.name)
        raise
