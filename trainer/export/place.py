"""Where a bundle goes: a folder or .zip, an OCI image layout, or both."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.bundle import read_files
from trainer.export.oci import write_oci_layout


@contextmanager
def bundle_place(out: Path | None, *, oci: Path | None) -> Iterator[Path]:
    """Yield the path that a bundle must be written to; at the end of the block the image is made of it.

    Args:
        out: New folder or .zip; None: the bundle is written to a temporary folder beside `oci`.
        oci: New folder for an image layout; None: none is written.

    Raises:
        FileExistsError: `oci` exists.
        OSError: The disk is full or not writable.
    """
    if oci is None:
        assert out is not None  # the caller needs one of the two
        yield out
        return
    oci.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{oci.name}.", suffix=".partial", dir=oci.parent) as temporary:
        place = out or Path(temporary, "bundle")
        yield place
        write_oci_layout(oci, *read_files(place))
