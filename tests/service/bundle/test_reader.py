from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundle import INT8, BundleRefused, read_bundle
from service.bundle.golden import INDEX
from service.bundle.manifest import CHECKSUM, MANIFEST
from tests.service.bundle.helpers import edited, refusal_of, tiny_files, with_manifest, write

EVERY_FILE = (*sorted(tiny_files()), MANIFEST, CHECKSUM)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "tiny")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "tiny.zip")


def flip_one_bit(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1
    path.write_bytes(data)


def rezipped(archive: Path, change: Callable[[zipfile.ZipInfo, bytes], tuple[zipfile.ZipInfo, bytes] | None]) -> Path:
    """The archive with every entry replaced by the result of `change`; None leaves it out."""
    target = archive.with_name("changed.zip")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            if (entry := change(info, old.read(info))) is not None:
                new.writestr(*entry)
    return target


def with_entry(archive: Path, name: str | zipfile.ZipInfo, data: bytes = b"x", **options: int) -> Path:
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, data, **options)
    return archive


def npy(array: np.ndarray, *, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


class TestValid:
    @pytest.mark.parametrize("name", ["tiny", "tiny.zip"])
    def test_bundle_is_read(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / name)
        bundle = read_bundle(path)
        assert bundle.manifest.name == "tiny"
        assert bundle.manifest.version == "1"
        assert bundle.manifest.producer == {"test": "1"}
        assert set(bundle.manifest.files) == set(tiny_files())
        assert bundle.models == {name: tiny_files()[name] for name in ("model.onnx", "model.int8.onnx")}
        assert bundle.spec.classes == ("red", "green", "blue")
        assert bundle.head is not None
        np.testing.assert_array_equal(bundle.head, np.load(io.BytesIO(tiny_files()["head.npy"])))
        assert len(bundle.golden) == 3
        assert bundle.metrics_of("model.onnx")["accuracy"] == 0.975
        assert bundle.card == "# A model for tests\n"

    def test_folder_and_zip_have_the_same_digest(self, folder: Path, archive: Path) -> None:
        assert read_bundle(folder).digest == read_bundle(archive).digest

    def test_folder_of_an_unpacked_zip_is_the_bundle(self, archive: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(archive) as file:
            file.extractall(tmp_path / "unpacked")
        assert read_bundle(tmp_path / "unpacked").digest == read_bundle(archive).digest

    def test_digest_is_sha256_of_the_manifest(self, folder: Path) -> None:
        digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
        assert read_bundle(folder).digest == f"sha256:{digest}"

    @pytest.mark.skipif(shutil.which("sha256sum") is None, reason="coreutils are not installed")
    def test_sha256sum_agrees(self, folder: Path) -> None:
        check = ["sha256sum", "--strict", "-c", CHECKSUM]
        assert subprocess.check_output(check, cwd=folder, text=True) == "manifest.json: OK\n"
        flip_one_bit(folder / MANIFEST, 50)
        assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 1

    def test_path_may_be_a_link_or_text(self, folder: Path, archive: Path, tmp_path: Path) -> None:
        for target in (folder, archive):
            link = tmp_path / f"link-{target.name}"
            link.symlink_to(target)
            assert read_bundle(link).digest == read_bundle(str(target)).digest

    def test_bundle_without_optional_files_is_read(self, tmp_path: Path) -> None:
        bundle = read_bundle(write(tmp_path / "plain", {"head.npy": None, "model.int8.onnx": None}))
        assert bundle.head is None
        assert set(bundle.models) == {"model.onnx"}

    def test_unknown_listed_file_is_accepted(self, tmp_path: Path) -> None:
        assert "notes/more.txt" in read_bundle(write(tmp_path / "b", {"notes/more.txt": b"hi"})).manifest.files

    def test_empty_folder_does_no_harm(self, folder: Path, archive: Path) -> None:
        (folder / "empty").mkdir()
        read_bundle(folder)
        read_bundle(with_entry(archive, "empty/", b""))


class TestAltered:
    @pytest.mark.parametrize("place", [0, 7, -1])
    @pytest.mark.parametrize("name", EVERY_FILE)
    def test_one_flipped_bit_in_a_folder(self, folder: Path, name: str, place: int) -> None:
        flip_one_bit(folder / name, place)
        assert name in refusal_of(folder)

    @pytest.mark.parametrize("name", EVERY_FILE)
    def test_one_flipped_bit_in_a_zip(self, archive: Path, name: str) -> None:
        data = bytearray(archive.read_bytes())
        with zipfile.ZipFile(archive) as file:
            content, header = file.read(name), file.getinfo(name).header_offset
        data[data.index(content, header) + len(content) // 2] ^= 1
        archive.write_bytes(data)
        assert refusal_of(archive).startswith(f"{name} was altered: ")

    @pytest.mark.parametrize("name", EVERY_FILE)
    def test_one_flipped_bit_in_a_zip_with_a_fitting_checksum(self, archive: Path, name: str) -> None:
        def flipped(info: zipfile.ZipInfo, data: bytes) -> tuple[zipfile.ZipInfo, bytes]:
            return info, data[:9] + bytes([data[9] ^ 1]) + data[10:] if info.filename == name else data

        assert name in refusal_of(rezipped(archive, flipped))

    @pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
    @pytest.mark.parametrize("name", EVERY_FILE)
    def test_another_length(self, folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))
        if name == CHECKSUM and path.read_bytes().endswith(MANIFEST.encode()):
            read_bundle(folder)  # a line without its newline is accepted
        else:
            assert name in refusal_of(folder)

    @pytest.mark.parametrize("name", EVERY_FILE)
    def test_missing_file(self, folder: Path, archive: Path, name: str) -> None:
        (folder / name).unlink()
        is_bundle = f"{folder} is not a bundle: " if name == MANIFEST else ""
        assert refusal_of(folder) == f"{is_bundle}{name} is missing"
        without = rezipped(archive, lambda info, data: None if info.filename == name else (info, data))
        assert refusal_of(without) == f"{name} is missing"

    @pytest.mark.parametrize(
        "name", ["extra.txt", "golden/extra.png", "golden/README.md", "model.onnx.data", "manifest.json~", ".env"]
    )
    def test_extra_file(self, folder: Path, archive: Path, name: str) -> None:
        (folder / name).write_bytes(b"")
        assert refusal_of(folder) == f"{name} is extra: manifest.json does not list it"
        assert refusal_of(with_entry(archive, name)) == f"{name} is extra: manifest.json does not list it"

    @pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", os.fsdecode(b"a\xffb")])
    def test_name_that_would_garble_the_message(self, folder: Path, name: str) -> None:
        (folder / name).write_bytes(b"")
        assert "is not a plain path" in refusal_of(folder)

    @pytest.mark.parametrize("name", ["/etc/hostname", "../outside.txt", "golden/../../outside.txt", ".", "a\\b"])
    def test_listed_path_outside_the_bundle(self, folder: Path, name: str) -> None:
        (folder.parent / "outside.txt").write_bytes(b"")
        listed = json.loads((folder / MANIFEST).read_bytes())
        listed["files"][name] = {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
        line = refusal_of(with_manifest(folder, json.dumps(listed).encode()))
        assert line == f"{name!r} is not a plain path inside the bundle"

    def test_huge_manifest(self, folder: Path) -> None:
        padded = (folder / MANIFEST).read_bytes() + b" " * 4 * 1024 * 1024
        assert "manifest.json is longer than" in refusal_of(with_manifest(folder, padded))

    def test_huge_checksum(self, folder: Path) -> None:
        with open(folder / CHECKSUM, "ab") as file:
            file.truncate(10**9)  # a hole: it takes no disk
        assert CHECKSUM in refusal_of(folder)

    @pytest.mark.parametrize(("other", "advice"), [(1, "export the bundle again"), (3, "a later fieldguide reads it")])
    def test_manifest_of_another_format(self, folder: Path, other: int, advice: str) -> None:
        changed = (folder / MANIFEST).read_bytes().replace(b'"format": 2', b'"format": %d' % other)
        line = refusal_of(with_manifest(folder, changed))
        assert line == f"manifest.json has format {other}; this program reads format 2: {advice}"

    @pytest.mark.parametrize("name", ["nowhere", "nowhere.zip", "nowhere/below", "a\nb"])
    def test_nothing_there(self, tmp_path: Path, name: str) -> None:
        assert refusal_of(tmp_path / name).startswith("there is no bundle at ")

    @pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"hello" * 1000])
    def test_file_that_is_not_a_bundle(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "b.zip").write_bytes(data)
        assert "b.zip" in refusal_of(tmp_path / "b.zip") or "manifest.json is missing" in refusal_of(tmp_path / "b.zip")

    def test_folder_of_a_training(self, tmp_path: Path) -> None:
        bundle = write(tmp_path / "run" / "bundle")
        assert refusal_of(bundle.parent) == f"{bundle.parent} is a run, not a bundle: its bundle is {bundle}"

    def test_folder_of_a_training_that_has_not_finished(self, tmp_path: Path) -> None:
        (tmp_path / "recipe.toml").touch()
        assert refusal_of(tmp_path).startswith(f"{tmp_path} is a run that has no bundle: `fieldguide resume`")

    def test_empty_folder(self, tmp_path: Path) -> None:
        assert refusal_of(tmp_path) == f"{tmp_path} is not a bundle: manifest.json is missing"


class TestZip:
    @pytest.mark.parametrize("name", ["../evil", "/evil", "golden/../../evil", "./evil", "a//b", "a\\b", "a\nb"])
    def test_name_that_leads_out(self, archive: Path, name: str) -> None:
        assert refusal_of(with_entry(archive, name)) == f"{name!r} is not a plain path inside the bundle"

    def test_entry_whose_name_is_empty(self, archive: Path) -> None:
        """A name that begins with a zero byte is empty for zipfile, which then raised IndexError."""
        changed = archive.read_bytes().replace(b"card.md", b"\0ard.md")
        archive.write_bytes(changed)
        assert refusal_of(archive) == "'' is not a plain path inside the bundle"

    def test_a_place_before_the_start_of_the_zip(self, archive: Path) -> None:
        """The line said `Invalid argument`."""
        data = archive.read_bytes()
        archive.write_bytes(data[: len(data) // 3] + data[data.index(b"PK\1\2") :])
        assert refusal_of(archive) == "manifest.json was altered: a part of the zip is missing"

    def test_a_long_name_in_a_zip_does_not_make_a_long_line(self, archive: Path) -> None:
        assert len(refusal_of(with_entry(archive, "\n" * 9000))) < 510

    @pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
    @pytest.mark.parametrize("name", ["spec.json", MANIFEST, CHECKSUM])
    def test_name_that_is_in_the_zip_twice(self, archive: Path, name: str) -> None:
        with zipfile.ZipFile(archive) as file:
            content = file.read(name)
        assert refusal_of(with_entry(archive, name, content)) == f"{name} is in the zip twice"

    @pytest.mark.parametrize("flag", [1, 0x20, 0x40])
    def test_entry_flagged_as_encrypted_or_patched(self, archive: Path, flag: int) -> None:
        data = bytearray(archive.read_bytes())
        for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            data[data.index(signature) + place] |= flag
        archive.write_bytes(data)
        assert refusal_of(archive)

    @pytest.mark.parametrize("position", range(16))
    def test_cut_at_any_sixteenth(self, archive: Path, position: int) -> None:
        data = archive.read_bytes()
        archive.write_bytes(data[: len(data) * position // 16])
        assert str(archive) in refusal_of(archive)

    def test_altered_zip_is_refused_or_the_same_bundle(self, archive: Path) -> None:
        chance, whole = random.Random(0), archive.read_bytes()
        directory = whole.index(b"PK\x01\x02")
        digest = read_bundle(archive).digest
        for _ in range(500):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                data[chance.choice((chance.randrange(100), chance.randrange(directory, len(data))))] ^= (
                    1 << chance.randrange(8)
                )
            archive.write_bytes(data)
            try:
                assert read_bundle(archive).digest == digest
            except BundleRefused as error:
                assert len(str(error).splitlines()) == 1  # noqa: PT017  (both outcomes are right)


class TestContents:
    """Files that are listed and have the right hash, but invalid content."""

    @pytest.mark.parametrize("name", ["spec.json", "metrics.json", "golden/golden.json"])
    @pytest.mark.parametrize("data", [b"", b"[]", b'{"a": NaN}', b'{"a": 1, "a": 1}', b"\xff", b'{"a":' * 9000])
    def test_invalid_json(self, tmp_path: Path, name: str, data: bytes) -> None:
        assert name in refusal_of(write(tmp_path / "b", {name: data}))

    def test_card_that_is_not_text(self, tmp_path: Path) -> None:
        assert refusal_of(write(tmp_path / "b", {"card.md": b"\xff\xfe"})) == "card.md is not UTF-8 text"

    def test_file_that_is_not_a_model(self, tmp_path: Path) -> None:
        line = refusal_of(write(tmp_path / "b", {"model.onnx": b"no model"}))
        assert line.startswith("model.onnx is not an ONNX model")

    @pytest.mark.parametrize(
        ("files", "reason"),
        [
            ({INT8: b"no model"}, "model.int8.onnx is not an ONNX model"),
            (
                edited("spec.json", lambda spec: spec["models"].pop(INT8)),
                "spec.json: models has no field 'model.int8.onnx'",
            ),
            (
                edited("spec.json", lambda spec: spec["models"][INT8].update(temperature=0)),
                "spec.json: model.int8.onnx: temperature must be",
            ),
            (
                edited(INDEX, lambda index: index["images"][0]["models"].pop(INT8)),
                "golden/golden.json: images[0].models has no field 'model.int8.onnx'",
            ),
        ],
    )
    def test_int8_model_that_cannot_be_used_is_left_aside(
        self, tmp_path: Path, files: dict[str, bytes], reason: str
    ) -> None:
        bundle = read_bundle(write(tmp_path / "b", files))
        assert set(bundle.models) == {"model.onnx"}
        assert bundle.left_aside[INT8].startswith(reason)
        assert set(bundle.spec.models) == {"model.onnx"}

    @pytest.mark.parametrize("metrics", [{}, {"models": []}, {"models": {"model.onnx": 5}}])
    def test_metrics_of_any_form_are_read(self, tmp_path: Path, metrics: dict[str, Any]) -> None:
        bundle = read_bundle(write(tmp_path / "b", {"metrics.json": json.dumps(metrics).encode()}))
        assert bundle.metrics == metrics
        assert bundle.metrics_of("model.onnx") == {}

    def test_spec_of_other_classes_than_the_golden_images(self, tmp_path: Path) -> None:
        files = edited("spec.json", lambda spec: spec["classes"].append("pink")) | {"head.npy": None}
        assert "does not have one probability per class" in refusal_of(write(tmp_path / "b", files))

    def test_golden_image_that_is_missing(self, tmp_path: Path) -> None:
        assert "'golden/1.png'" in refusal_of(write(tmp_path / "b", {"golden/1.png": None}))

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"\x93NUMPY", id="cut"),
            pytest.param(b"\x80\x04]\x94.", id="pickle"),
            pytest.param(npy(np.eye(3)), id="float64"),
            pytest.param(npy(np.eye(3, dtype=">f4")), id="big-endian"),
            pytest.param(npy(np.eye(3, dtype=np.int32)), id="int32"),
            pytest.param(npy(np.ones(3, dtype=np.float32)), id="one dimension"),
            pytest.param(npy(np.ones((3, 3, 1), dtype=np.float32)), id="three dimensions"),
            pytest.param(npy(np.float32(1)), id="a number"),
            pytest.param(npy(np.ones((4, 3), dtype=np.float32)), id="a row too many"),
            pytest.param(npy(np.ones((2, 3), dtype=np.float32)), id="a row too few"),
            pytest.param(npy(np.arange(9, dtype=np.float32).reshape(3, 3).T), id="column order"),
            pytest.param(npy(np.array([[{}, {}], [{}, {}], [{}, {}]], dtype=object)), id="pickled objects"),
            pytest.param(npy(np.eye(3, dtype=np.float32), version=(2, 0)), id="another version"),
            pytest.param(npy(np.eye(3, dtype=np.float32))[:-1], id="a byte too few"),
            pytest.param(npy(np.eye(3, dtype=np.float32)) + b"\0", id="a byte too many"),
            pytest.param(npy(np.eye(3, dtype=np.float32)).replace(b"(3, 3)", b"(3, 4)"), id="lying header"),
            pytest.param(npy(np.eye(3, dtype=np.float32)).replace(b"(3, 3), }  ", b"(3, -3), } "), id="negative"),
            pytest.param(npy(np.eye(3, dtype=np.float32)).replace(b"(3, 3), }     ", b"(3, 9999999)} "), id="huge"),
            pytest.param(npy(np.eye(3, dtype=np.float32)).replace(b"(3, 3), }", b"(3, 3)   "), id="unclosed"),
            pytest.param(npy(np.eye(3, dtype=np.float32)).replace(b"False", b"[[[[["), id="not Python"),
            pytest.param(npy(np.array([[1, 2], [3, np.nan], [5, 6]], dtype=np.float32)), id="NaN"),
            pytest.param(npy(np.array([[1, 2], [3, np.inf], [5, 6]], dtype=np.float32)), id="infinity"),
        ],
    )
    def test_invalid_head(self, tmp_path: Path, data: bytes) -> None:
        assert refusal_of(write(tmp_path / "b", {"head.npy": data})).startswith("head.npy ")
