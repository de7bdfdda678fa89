from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from service.inputs import is_image_content
from service.pixels import formats


@pytest.mark.parametrize("kind", [*formats(), "MPO"])
def test_every_format_that_is_read_is_found_by_its_content(tmp_path: Path, kind: str) -> None:
    formats()  # registers HEIF
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(data, kind)
    (tmp_path / "photo").write_bytes(data.getvalue())
    assert is_image_content(tmp_path / "photo")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xd8", b"BMW and other cars: a long text", b"RIFF....WAVE", b"II*\x00", b"....ftypmp42", b"GIF"],
)
def test_other_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not is_image_content(tmp_path / "file")
    assert not is_image_content(tmp_path / "gone")
    assert not is_image_content(tmp_path)
