"""The bound of resident memory, with the largest requests that are taken.

    python -m tests.benchmarks.memory BUNDLE [--threads 2] [--max-pixels 50000000]

The service holds at most

    base + model                            what it has when it is ready
    + (slots + queue) x 2 x max_body        a body, and a copy of it while a form is taken apart
    + slots x (12 bytes x max_pixels        Pillow's peak: RGB with alpha, over white, or turned by an orientation
               + activations)               of one image, in onnxruntime
    + connections x 0.4 MB                  headers, and the part of a body that arrived before a permit was asked for

The arithmetic is shown with as many uploads at once as there are permits, each a form with an image of `max_pixels`
with alpha and an orientation, padded to `max_body`; then the peak of resident memory is compared with the bound.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
from pathlib import Path

import uvloop
from PIL import Image

from service.settings import Settings
from tests.benchmarks import load
from tests.benchmarks.load import Address, Connection
from tests.benchmarks.process import holdings
from tests.support.bundles import make_image
from tests.support.server import RunningServer

CONNECTION_BYTES = 400_000


def main() -> int:
    """Ask for the most, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-pixels", type=int, default=50_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = Settings()
    permits = options.threads * (1 + settings.queue_per_slot)
    image = largest_image(options.max_pixels)
    request = load.multipart_request("/v1/predict", image.ljust(settings.max_body_bytes - 200, b"\0"))
    flags = ["--threads", str(options.threads), "--max-pixels", str(options.max_pixels)]
    # Decoding the largest image takes seconds, and the last one waits for all the others.
    flags += ["--deadline-s", "300", "--body-timeout-s", "60", "--log-format", "json"]
    with RunningServer(options.bundle, *flags) as server:
        ready = holdings(server.process.pid).resident_bytes
        small = load.raw_request("/v1/predict", make_image())
        uvloop.run(ask_at_once(server.address, [small] * options.threads))
        activations = max(0, holdings(server.process.pid).resident_bytes - ready) // options.threads
        for _ in range(options.rounds):
            statuses = uvloop.run(ask_at_once(server.address, [request] * permits))
            assert set(statuses) == {200}, statuses
        after = holdings(server.process.pid)
    bound = ready + permits * 2 * settings.max_body_bytes
    bound += options.threads * (12 * options.max_pixels + activations) + permits * CONNECTION_BYTES
    print(f"ready {ready / 1e6:.0f} MB, activations {activations / 1e6:.0f} MB a slot")
    print(f"{permits} uploads of {len(request) / 1e6:.0f} MB with {options.max_pixels / 1e6:.0f} megapixels at once:")
    print(
        f"peak {after.peak_bytes / 1e6:.0f} MB, bound {bound / 1e6:.0f} MB, after {after.resident_bytes / 1e6:.0f} MB"
    )
    return int(after.peak_bytes > bound)


def largest_image(pixels: int) -> bytes:
    """A PNG with alpha and EXIF orientation 6 of nearly that many pixels; of one colour, so that it is small."""
    side = int(pixels**0.5)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGBA", (side, side), (255, 0, 0, 128)).save(file, "PNG", exif=exif, compress_level=1)
    return file.getvalue()


async def ask_at_once(address: Address, requests: list[bytes]) -> list[int]:
    """Each on a connection of its own."""

    async def one(request: bytes) -> int:
        connection = await Connection.open(address)
        status = await connection.ask(request)
        connection.close()
        return status

    return await asyncio.gather(*(one(request) for request in requests))


if __name__ == "__main__":
    sys.exit(main())
