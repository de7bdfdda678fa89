"""Images a second of `download` beside curl, from one local server under eight host names.

    python -m tests.benchmarks.download_rate [--images 3000] [--rounds 3] [--delays-ms 0 50 100]

The images are JPEG of about 100 kB, 800 x 600, each with its own content. The server is a process of its own that holds
them in memory, and sends each response after a delay, as a distance to it would. curl is called with `--parallel
--parallel-max 32` and writes what it gets; `download` has 4 connections for each host, so 32, too, asks for robots.txt,
decodes each image to see whether it is complete, hashes it, and keeps a journal. Both are measured as whole processes,
in turns; the ratio is that of each pair. Processor time depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import numpy as np
import uvloop
from PIL import Image

from service.pixels import load
from tests.benchmarks.hardware import machine, versions
from trainer.collect.images import CHECK_SPEC

_HOSTS = tuple(f"photos-{name}.test" for name in ("a", "b", "c", "d", "e", "f", "g", "h"))
_SCENES = 40
_SIZE = (800, 600)
_NOISE = 9.0
_DOWNLOAD = """
import sys
from pathlib import Path
from trainer.collect.download import DownloadOptions
from trainer.collect.fetching import FetchOptions
from trainer.collect.jobs import download_list
from trainer.collect.transport import Network
from trainer.collect.urls import read_list
from trainer.progress import NoProgress

async def resolve(host, port):
    return ["127.0.0.1"]

network = Network(resolve=resolve, allow_private=True)
options = DownloadOptions(fetch=FetchOptions(network=network))
found = download_list(read_list(Path(sys.argv[1])), Path(sys.argv[2]), options, NoProgress())
assert found.came == int(sys.argv[3]), found
"""


def make_images(count: int) -> list[bytes]:
    """Encode some scenes, and give each image bytes of its own after its end."""
    rng = np.random.default_rng(0)
    scenes = []
    for _ in range(_SCENES):
        colours = Image.fromarray(rng.integers(0, 256, (18, 24, 3), dtype=np.uint8))
        scene = np.asarray(colours.resize(_SIZE, Image.Resampling.BICUBIC)) + rng.normal(0, _NOISE, (*_SIZE[::-1], 1))
        file = io.BytesIO()
        Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=75)
        scenes.append(file.getvalue())
    return [scenes[number % _SCENES] + number.to_bytes(8, "big") for number in range(count)]


class _Protocol(asyncio.Protocol):
    """Answers /NUMBER with an image after a delay, and everything else with 404."""

    def __init__(self, images: Sequence[bytes], delay_s: float) -> None:
        self._images, self._delay_s = images, delay_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1][1:]
        found = self._images[int(path)] if path.isdigit() else b""
        status = b"200 OK" if found else b"404 Not Found"
        response = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(found)) + found
        asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, response)  # type: ignore[attr-defined]


async def serve(count: int, delay_s: float) -> None:
    """Serve until the process is stopped; the first line of output is the port."""
    images = make_images(count)
    server = await asyncio.get_running_loop().create_server(lambda: _Protocol(images, delay_s), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


class Server(AbstractContextManager["Server"]):
    """The server in its own process."""

    def __init__(self, count: int, delay_ms: float) -> None:
        command = [sys.executable, "-m", __spec__.name, "--serve", str(count), str(delay_ms)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()


def timed(command: Sequence[str | Path]) -> tuple[float, float]:
    """Seconds of a process by the clock, and of processor time."""
    started, used = time.monotonic(), _child_seconds()
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return time.monotonic() - started, _child_seconds() - used


def _child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_pair(urls: Sequence[str], port: int) -> tuple[float, float, float, float]:
    """Images a second of curl and of download, each into a new folder; and milliseconds of processor time an image."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "curl").mkdir()
        config = "".join(f'url = "{url}"\noutput = "{folder}/curl/{number}.jpg"\n' for number, url in enumerate(urls))
        (folder / "curl.txt").write_text(config)
        (folder / "urls.txt").write_text("\n".join(urls))
        resolve = [word for host in _HOSTS for word in ("--resolve", f"{host}:{port}:127.0.0.1")]
        parallel = ["--parallel", "--parallel-max", "32"]
        curl, curl_cpu = timed(["curl", "-s", *parallel, *resolve, "--config", folder / "curl.txt"])
        ours, ours_cpu = timed([sys.executable, "-c", _DOWNLOAD, folder / "urls.txt", folder / "ours", str(len(urls))])
        assert len(list((folder / "curl").iterdir())) == len(urls)
    count = len(urls)
    return count / curl, count / ours, 1000 * curl_cpu / count, 1000 * ours_cpu / count


def decode_rate(images: Sequence[bytes]) -> float:
    """Images a second that one core decodes for the check."""
    started = time.monotonic()
    for image in images:
        load(image, CHECK_SPEC)
    return len(images) / (time.monotonic() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delays-ms", type=float, nargs="+", default=[0.0, 50.0, 100.0])
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve(int(arguments.serve[0]), float(arguments.serve[1]) / 1000))
        return
    if shutil.which("curl") is None:
        raise SystemExit("curl is not installed")
    sample = make_images(_SCENES)
    size = statistics.mean(map(len, sample)) / 1000
    print(f"{machine('cpu')}; {versions('httpx', 'httptools', 'uvloop', 'pillow')}")
    print(f"{arguments.images:,} images of {size:.0f} kB; one core decodes {decode_rate(sample):.0f} images/s\n")
    columns = ("delay", "curl, images/s", "download, images/s", "download / curl", "CPU, ms an image: curl", "download")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for delay_ms in arguments.delays_ms:
        with Server(arguments.images, delay_ms) as server:
            urls = [f"http://{_HOSTS[number % 8]}:{server.port}/{number}" for number in range(arguments.images)]
            pairs = [measure_pair(urls, server.port) for _ in range(arguments.rounds)]
        ratios = sorted(ours / curl for curl, ours, *_ in pairs)
        curl, ours, curl_ms, ours_ms = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {delay_ms:g} ms | {curl:.0f} | {ours:.0f} | {ratio} | {curl_ms:.1f} | {ours_ms:.1f} |", flush=True)


if __name__ == "__main__":
    main()
