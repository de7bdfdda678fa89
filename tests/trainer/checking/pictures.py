"""Pictures that look like photos to a check: smooth shapes, edges and a little noise, each one different."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from trainer.checking.check import check_images
from trainer.checking.findings import CheckResult
from trainer.checking.items import Item, Items
from trainer.progress import NoProgress


def picture(number: int, *, width: int = 240, height: int = 180) -> Image.Image:
    """A picture that only this number gives."""
    random = np.random.default_rng([7, number])
    image = Image.new("RGB", (width, height), tuple(random.integers(60, 200, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = random.integers(0, width), random.integers(0, height)
        size = int(random.integers(20, 90))
        shape = (draw.ellipse, draw.rectangle)[int(random.integers(2))]
        shape((x - size, y - size // 2, x + size, y + size // 2), fill=tuple(random.integers(0, 256, 3).tolist()))
    noise = random.integers(-6, 7, (height, width, 3))
    return Image.fromarray((np.asarray(image).astype(np.int64) + noise).clip(0, 255).astype(np.uint8))


def dark(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(0.12)


def light(image: Image.Image) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, "white"), 0.88)


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(image.width / 24))


def write_pictures(
    root: Path, *, classes: str = "ab", each: int = 30, change: Callable[[str, Image.Image], Image.Image] | None = None
) -> Path:
    """One folder a class, with `each` JPEG pictures."""
    for index, label in enumerate(classes):
        (root / label).mkdir(parents=True)
        for number in range(each):
            image = picture(1000 * index + number)
            (change(label, image) if change else image).save(root / label / f"{number:03}.jpg", quality=92)
    return root


def check_folder(root: Path, *, splits: bool = False) -> CheckResult:
    """Check all files of a folder; the class is the folder, and with `splits` the first folder is the split."""
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    items = tuple(
        Item(path=path, labels=frozenset({path.split("/")[-2]}), split=path.split("/")[0] if splits else "")
        for path in paths
    )
    return check_images(
        Items(root=root, items=items, summary=f"{root}: {len(items)} images"), threads=2, progress=NoProgress()
    )


def found(result: CheckResult) -> dict[str, list[str]]:
    """Kind -> paths, sorted."""
    return {finding.kind: sorted(image.path for image in finding.images) for finding in result.findings}


def content_of(folder: Path) -> dict[str, bytes | str]:
    """Every file and link of a tree, with its content or target: what must not change."""
    return {
        path.relative_to(folder).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
