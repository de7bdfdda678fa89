"""A bundle is the same bundle however volumes, tools and zips deliver it, and nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from service.bundle import read_bundle
from service.bundle import source as source_module
from service.bundle.manifest import CHECKSUM, MANIFEST
from tests.service.bundle.helpers import refusal_of, tiny_files, write

EVERY_FILE = (*sorted(tiny_files()), MANIFEST, CHECKSUM)
LEFT_ANYWHERE = (
    *(".DS_Store", "._model.onnx", "Thumbs.db", "desktop.ini", "@eaDir/model.onnx@SynoEAStream", "lost+found/#1234"),
    *("$RECYCLE.BIN/x", "System Volume Information/IndexerVolumeGuid", "__MACOSX/._spec.json", ".Trashes/501/x"),
)
LEFT_AT_THE_TOP = (".git/HEAD", ".gitattributes", "README.md", "..data/x", "..2026_11_28_22_00_00.1/x", ".cache/x")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "tiny")


@pytest.fixture
def digest(folder: Path) -> str:
    return read_bundle(folder).digest


def add(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left")


def zipped(folder: Path, target: Path, *, top: str = "", method: int = zipfile.ZIP_STORED) -> Path:
    """A zip of everything in a folder."""
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, top + path.relative_to(folder).as_posix())
    return target


class TestLeftovers:
    @pytest.mark.parametrize("name", [*LEFT_ANYWHERE, *LEFT_AT_THE_TOP])
    def test_what_systems_leave_is_passed_over(self, folder: Path, digest: str, name: str) -> None:
        add(folder, name)
        assert read_bundle(folder).digest == digest
        assert read_bundle(zipped(folder, folder.parent / "b.zip")).digest == digest

    @pytest.mark.parametrize("name", LEFT_ANYWHERE)
    def test_also_below_the_top(self, folder: Path, digest: str, name: str) -> None:
        add(folder, f"golden/{name}")
        assert read_bundle(folder).digest == digest

    @pytest.mark.parametrize(
        "name",
        ["golden/README.md", "golden/.git/HEAD", "readme.md", ".gitignore", "..date/x", "DS_Store", "x.DS_Store"],
    )
    def test_what_only_looks_like_it_is_extra(self, folder: Path, name: str) -> None:
        add(folder, name)
        assert refusal_of(folder) == f"{name} is extra: manifest.json does not list it"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_folder_that_cannot_be_read(self, folder: Path, digest: str) -> None:
        (folder / "lost+found").mkdir(mode=0)
        assert read_bundle(folder).digest == digest

    def test_a_listed_file_with_such_a_name_is_read(self, tmp_path: Path) -> None:
        bundle = write(tmp_path / "b", {"README.md": b"hello"})
        assert "README.md" in read_bundle(bundle).manifest.files
        (bundle / "README.md").write_bytes(b"jello")
        assert refusal_of(bundle).startswith("README.md was altered")
        changed = zipped(bundle, tmp_path / "b.zip")
        assert refusal_of(changed).startswith("README.md was altered")


class TestLinks:
    @pytest.mark.parametrize("name", EVERY_FILE)
    def test_a_link_to_the_same_content_is_followed(self, folder: Path, digest: str, tmp_path: Path, name: str) -> None:
        (folder / name).rename(tmp_path / "elsewhere")
        (folder / name).symlink_to(tmp_path / "elsewhere")
        assert read_bundle(folder).digest == digest

    @pytest.mark.parametrize("name", sorted(tiny_files()))
    def test_a_link_to_other_content_is_refused(self, folder: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / "elsewhere").write_bytes(b"other")
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / "elsewhere")
        assert refusal_of(folder).startswith(f"{name} was altered")

    def test_a_volume_of_kubernetes(self, folder: Path, digest: str, tmp_path: Path) -> None:
        """Every name at the top is a link to `..data/NAME`, and `..data` to a folder with a date."""
        volume = tmp_path / "volume"
        shutil.copytree(folder, volume / "..2026_11_28_22_00_00.1234")
        (volume / "..data").symlink_to("..2026_11_28_22_00_00.1234")
        for path in sorted(folder.iterdir()):
            (volume / path.name).symlink_to(Path("..data", path.name))
        assert read_bundle(volume).digest == digest
        add(volume, "..data/golden/more.png")
        assert refusal_of(volume) == "golden/more.png is extra: manifest.json does not list it"

    def test_a_cache_of_downloads(self, folder: Path, digest: str, tmp_path: Path) -> None:
        """snapshots/REVISION/NAME -> ../../blobs/HASH, as the hub of Hugging Face keeps them."""
        blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
        blobs.mkdir()
        for number, name in enumerate(EVERY_FILE):
            shutil.copy(folder / name, blobs / str(number))
            (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / name).symlink_to(os.path.relpath(blobs / str(number), (snapshot / name).parent))
        assert read_bundle(snapshot).digest == digest

    def test_a_circle_of_links_is_not_walked(self, folder: Path, digest: str) -> None:
        (folder / "golden" / ".DS_Store").symlink_to("..")
        assert read_bundle(folder).digest == digest
        (folder / "golden" / "again").symlink_to("..")
        assert refusal_of(folder) == "golden/again is extra: manifest.json does not list it"

    @pytest.mark.parametrize("name", ["card.md", MANIFEST])
    def test_a_link_to_nothing_or_to_itself(self, folder: Path, name: str) -> None:
        for target, message in (("nowhere", "is missing"), (name, "is not a regular file")):
            (folder / name).unlink()
            (folder / name).symlink_to(target)
            assert refusal_of(folder) == f"{name} {message}"

    def test_a_link_that_is_not_listed(self, folder: Path) -> None:
        (folder / "more").symlink_to("nowhere")
        assert refusal_of(folder) == "more is extra: manifest.json does not list it"

    @pytest.mark.parametrize("name", ["card.md", MANIFEST])
    @pytest.mark.parametrize("target", ["pipe", "/dev/zero", "/dev/null", "a folder"])
    def test_a_link_to_what_is_no_file(self, folder: Path, tmp_path: Path, name: str, target: str) -> None:
        """A pipe without a writer would wait for ever, and /dev/zero never ends."""
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "a folder").mkdir()
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / target)
        assert refusal_of(folder) == f"{name} is not a regular file"

    @pytest.mark.parametrize("name", [MANIFEST, CHECKSUM])
    def test_the_manifest_is_not_on_another_volume(
        self, folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = Path("/dev/shm", f"fieldguide-{os.getpid()}")
        if not elsewhere.parent.is_dir() or elsewhere.parent.stat().st_dev == folder.stat().st_dev:
            pytest.skip("there is no second volume")
        (folder / name).rename(tmp_path / "kept")
        shutil.copy(tmp_path / "kept", elsewhere)
        try:
            (folder / name).symlink_to(elsewhere)
            assert refusal_of(folder) == f"{name} is a link to another volume; it must be where the bundle is"
        finally:
            elsewhere.unlink()

    def test_a_pipe_beside_the_bundle(self, folder: Path) -> None:
        os.mkfifo(folder / "pipe")
        assert refusal_of(folder) == "pipe is not a regular file"

    def test_a_listed_file_that_is_a_folder(self, folder: Path) -> None:
        (folder / "card.md").unlink()
        (folder / "card.md").mkdir()
        assert refusal_of(folder) == "card.md is not a regular file"


class TestZips:
    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    @pytest.mark.parametrize("top", ["", "tiny/", "a folder/"])
    def test_stored_or_deflated_at_the_root_or_in_one_folder(
        self, folder: Path, digest: str, top: str, method: int
    ) -> None:
        assert read_bundle(zipped(folder, folder.parent / "b.zip", top=top, method=method)).digest == digest

    def test_as_a_mac_makes_it(self, folder: Path, digest: str) -> None:
        archive = zipped(folder, folder.parent / "b.zip", top="tiny/", method=zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(archive, "a") as file:
            for name in ("__MACOSX/tiny/._spec.json", "__MACOSX/._tiny", "tiny/.DS_Store"):
                file.writestr(name, b"left")
        assert read_bundle(archive).digest == digest

    @pytest.mark.skipif(shutil.which("zip") is None, reason="zip is not installed")
    def test_as_the_command_zip_makes_it(self, folder: Path, digest: str) -> None:
        subprocess.run(["zip", "-qr", "b.zip", folder.name], cwd=folder.parent, check=True)
        assert read_bundle(folder.parent / "b.zip").digest == digest

    def test_as_the_module_zipfile_makes_it(self, folder: Path, digest: str) -> None:
        command = [sys.executable, "-m", "zipfile", "-c", "b.zip", folder.name]
        subprocess.run(command, cwd=folder.parent, check=True)
        assert read_bundle(folder.parent / "b.zip").digest == digest

    @pytest.mark.parametrize("top", ["a/b/", "x/"])
    def test_in_a_folder_below_or_beside_something_else(self, folder: Path, top: str) -> None:
        archive = zipped(folder, folder.parent / "b.zip", top=top)
        if top == "x/":
            with zipfile.ZipFile(archive, "a") as file:
                file.writestr("other.txt", b"")
        assert refusal_of(archive) == "manifest.json is missing"

    def test_an_extra_file_in_the_one_folder(self, folder: Path) -> None:
        add(folder, "extra.txt")
        archive = zipped(folder, folder.parent / "b.zip", top="tiny/")
        assert refusal_of(archive) == "extra.txt is extra: manifest.json does not list it"

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_another_compression(self, folder: Path, method: int) -> None:
        line = refusal_of(zipped(folder, folder.parent / "b.zip", method=method))
        assert line == "card.md is encrypted, or compressed in another way than deflate"

    def test_a_link_in_a_zip(self, folder: Path) -> None:
        archive = zipped(folder, folder.parent / "b.zip")
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        with zipfile.ZipFile(archive, "a") as file:
            file.writestr(info, b"/etc/passwd")
        assert refusal_of(archive) == "link is a link; a zip of a bundle holds only regular files"

    def test_a_zip_bomb(self, folder: Path) -> None:
        with open(folder / "README.md", "wb") as file:  # passed over, but it counts
            file.truncate(500_000_000)
        archive = zipped(folder, folder.parent / "b.zip", method=zipfile.ZIP_DEFLATED)
        assert refusal_of(archive) == "the files are more than 100 times as large as the zip"

    def test_a_broken_stream(self, folder: Path) -> None:
        archive = zipped(folder, folder.parent / "b.zip", method=zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(archive) as file:
            info = file.getinfo("model.onnx")
        data = bytearray(archive.read_bytes())
        start = info.header_offset + 30 + len("model.onnx")
        data[start : start + 20] = b"\xff" * 20
        archive.write_bytes(data)
        assert refusal_of(archive).startswith("model.onnx was altered: ")


def test_a_bundle_of_more_than_a_bound_is_refused_before_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.bundle.manifest.MAX_BUNDLE_BYTES", 1000)
    read: list[str] = []

    def reading(read_file: Callable[..., bytes]) -> Callable[..., bytes]:
        def call(self: object, name: str, max_bytes: int) -> bytes:
            read.append(name)
            return read_file(self, name, max_bytes)

        return call

    monkeypatch.setattr(source_module.FolderSource, "read", reading(source_module.FolderSource.read))
    assert refusal_of(folder) == "the files that manifest.json lists have more than 1,000 bytes together"
    assert read == [MANIFEST, CHECKSUM]
