"""How much it changes a prediction that the page makes a long photo smaller before it uploads it.

    python -m tests.benchmarks.page_shrink BUNDLE PHOTOS [--count 50]

PHOTOS is a folder; `--count` of its photos are taken, evenly spaced over their sorted paths. One that is smaller than
a phone's is enlarged to 3,000 pixels (short side), with grain of 8 levels, since a sensor shows grain in every
pixel; it is saved as JPEG of quality 92. Each is given to the page in the browser; what the page sends is kept, and the
bundle classifies both.
"""

from __future__ import annotations

import argparse
import io
import statistics
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.benchmarks.images import as_by_phone
from tests.support.browser import launch, uploaded, watch_uploads
from tests.support.server import RunningServer

SHORT_SIDE = 3000


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=50)
    arguments = parser.parse_args()
    predictor = Predictor(read_bundle(arguments.bundle))
    files = sorted(arguments.photos.rglob("*.jpg"))
    files = [files[int(place)] for place in np.linspace(0, len(files) - 1, arguments.count)]
    with RunningServer(arguments.bundle) as server, sync_playwright() as playwright, launch(playwright) as browser:
        page = browser.new_page()
        page.goto(f"{server.url}/")
        watch_uploads(page)
        rows = [
            compare(page, as_by_phone(file.read_bytes(), short_side=SHORT_SIDE, seed=seed), predictor)
            for seed, file in enumerate(files)
        ]
    report(rows)


def compare(page: Page, photo: bytes, predictor: Predictor) -> dict[str, float]:
    """Classify a photo, and what the page sends of it."""
    sent = uploaded(page, photo)
    before, after, full = (predictor.predict(data) for data in (photo, sent, lossless(photo)))
    expect(page.locator("#progress")).to_be_hidden()
    return {
        "bytes": len(photo),
        "sent_bytes": len(sent),
        "difference": float(np.abs(before.probabilities - after.probabilities).max()),
        "best_difference": abs(before.best.probability - after.probabilities[before.best.index]),
        "full_difference": float(np.abs(before.probabilities - full.probabilities).max()),
        "flip": before.best.label != after.best.label,
        "margin": before.ranked[0].probability - before.ranked[1].probability,
    }


def lossless(photo: bytes) -> bytes:
    """The same pixels as PNG: the service then decodes all of them, and not a smaller copy as it does with a JPEG."""
    output = io.BytesIO()
    Image.open(io.BytesIO(photo)).save(output, "PNG", compress_level=0)
    return output.getvalue()


def report(rows: list[dict[str, float]]) -> None:
    """Print what was found."""
    for name, text in (
        ("bytes", "photo, bytes"),
        ("sent_bytes", "sent, bytes"),
        ("difference", "largest difference of a probability"),
        ("best_difference", "difference of the best class"),
        ("full_difference", "for comparison, largest difference if the service decodes every pixel of the photo"),
    ):
        values = [row[name] for row in rows]
        shown = "{:,.0f}" if "bytes" in name else "{:.4f}"
        median, high, most = (
            shown.format(value) for value in (statistics.median(values), np.quantile(values, 0.95), max(values))
        )
        print(f"{text}: median {median}, 95 % below {high}, most {most}")
    flips = [row for row in rows if row["flip"]]
    apart = ", ".join(f"{row['margin']:.3f}" for row in flips)
    print(
        f"other labels: {len(flips)} of {len(rows)}" + (f"; there the best two were apart by {apart}" if flips else "")
    )


if __name__ == "__main__":
    main()
