"""Small generated datasets: noisy colours that even a tiny network can classify."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (210, 50, 40)}
WARMTH = {"red": "warm", "green": "cool", "blue": "cool"}


def draw(label: str, number: int, *, width: int = 48, height: int = 40) -> Image.Image:
    """A noisy picture of one colour; every number gives another picture."""
    random = np.random.default_rng([number, *label.encode()])
    noise = random.integers(-40, 41, (height, width, 3))
    return Image.fromarray((np.array(COLOURS[label]) + noise).clip(0, 255).astype(np.uint8))


def write_folder(root: Path, *, each: int = 12, first: int = 0) -> Path:
    """One folder a class, `each` JPEG images in it."""
    for label in COLOURS:
        (root / label).mkdir(parents=True)
        for number in range(first, first + each):
            draw(label, number).save(root / label / f"{number:03}.jpg", quality=95)
    return root


def write_grouped_csv(folder: Path, *, each: int = 12) -> Path:
    """`write_folder` and a CSV whose column `warmth` is a coarse label for each colour."""
    write_folder(folder / "photos", each=each)
    table = folder / "photos.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "warmth"))
        writer.writerows(
            (f"photos/{label}/{number:03}.jpg", label, WARMTH[label]) for label in COLOURS for number in range(each)
        )
    return table


def write_tagged_csv(root: Path, *, images: int = 36) -> Path:
    """A CSV whose images have any number of tags: each half of a picture is of one colour or black."""
    root.mkdir(parents=True)
    lines = ["path,tags"]
    names = [None, *COLOURS]
    for number in range(images):
        left, right = names[number % 4], names[number // 4 % 4]
        picture = Image.new("RGB", (48, 48))
        for position, label in enumerate((left, right)):
            if label:
                picture.paste(draw(label, number, width=24, height=48), (24 * position, 0))
        picture.save(root / f"{number:03}.png")
        lines.append(f"{number:03}.png,{';'.join(sorted({name for name in (left, right) if name}))}")
    table = root / "tags.csv"
    table.write_text("\n".join(lines) + "\n")
    return table
