"""No image takes more than 12 bytes of memory per accepted pixel, in any format. Measured."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.images import accepted_formats, encode, flat
from tests.support.largest import largest_images

PIXELS = 5_000_000
# Runs in a new process. Memory that does not depend on the size is taken by the small images, which come first.
MEASURE = f"""
    import sys
    from pathlib import Path
    from service.pixels import Limits, PixelSpec, load
    from service.web.server import allocator

    def resident(name):
        return 1024 * int(Path("/proc/self/status").read_text().partition(name)[2].split()[0])

    allocator.return_large_blocks()  # as the service does
    for path in map(Path, sys.argv[1:]):
        data = path.read_bytes()
        before = resident("VmRSS:")
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
        load(data, PixelSpec(size=224, resize_short=256), limits=Limits(max_pixels={PIXELS}))
        print((resident("VmHWM:") - before) / {PIXELS})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the peak of resident memory and can reset it")
def test_the_largest_images_take_12_bytes_a_pixel(tmp_path: Path) -> None:
    small = [(f"small {kind}", encode(flat("RGB", "red"), kind)) for kind in accepted_formats()]
    paths = []
    largest = list(largest_images(PIXELS))
    lacking = [(f"{kind}, without its end", data[:-2]) for kind, data in largest if kind.startswith("JPEG")]
    for kind, data in (*small, *largest, *lacking):
        paths.append(tmp_path / kind)
        paths[-1].write_bytes(data)
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    measured = dict(zip((path.name for path in paths), map(float, done.stdout.split()), strict=True))
    assert len(measured) >= len(small) + 10
    # Threads, tables and parts of a strip are 4 MB at most.
    assert {kind: each for kind, each in measured.items() if each > 12.8} == {}
