from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.bundle import read_bundle, writer
from service.bundle.manifest import CHECKSUM, MANIFEST, REQUIRED_FILES
from tests.service.bundle.helpers import refusal, tiny_files, write

KINDS = ("bundle", "bundle.zip")


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write anywhere, so become the user nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def run(program: str, target: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a new process, with `target` as its argument."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(target)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_can_be_read(tmp_path: Path, kind: str) -> None:
    digest = writer.write_bundle(tmp_path / kind, tiny_files(), name="n", version="v", created="c", producer={"p": "1"})
    bundle = read_bundle(tmp_path / kind)
    assert bundle.digest == digest
    assert (bundle.manifest.name, bundle.manifest.version, bundle.manifest.created) == ("n", "v", "c")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_bundle_is_left(tmp_path: Path, kind: str) -> None:
    write(tmp_path / kind)
    assert [path.name for path in tmp_path.iterdir()] == [kind]


def test_folder_holds_the_files(tmp_path: Path) -> None:
    found = contents(write(tmp_path / "bundle"))
    assert found.keys() == {*tiny_files(), MANIFEST, CHECKSUM, "golden"}
    assert all(found[name] == data for name, data in tiny_files().items())


@pytest.mark.parametrize("kind", KINDS)
def test_bundle_that_does_not_pass_the_check_is_removed(tmp_path: Path, kind: str) -> None:
    seen: list[Path] = []

    def check(path: Path) -> None:
        assert not (tmp_path / kind).exists()
        assert read_bundle(path).spec.classes
        seen.append(path)
        raise KeyError(kind)

    facts = {"name": "n", "version": "1", "created": "c"}
    with pytest.raises(KeyError):
        writer.write_bundle(tmp_path / kind, tiny_files(), **facts, producer={}, check=check)
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == []


def test_missing_parent_folders_are_created(tmp_path: Path) -> None:
    read_bundle(write(tmp_path / "a" / "b" / "bundle"))


def test_same_files_give_the_same_zip(tmp_path: Path) -> None:
    other_order = dict(reversed(tiny_files().items()))
    first = write(tmp_path / "a.zip").read_bytes()
    writer.write_bundle(
        tmp_path / "b.zip",
        other_order,
        name="tiny",
        version="1",
        created="2026-11-20T12:00:00Z",
        producer={"test": "1"},
    )
    assert (tmp_path / "b.zip").read_bytes() == first


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("there", ["file", "folder", "empty folder", "dangling link", "link"])
def test_existing_target_is_not_changed(tmp_path: Path, kind: str, there: str) -> None:
    target = tmp_path / kind
    if there == "file":
        target.write_bytes(b"precious")
    elif there == "folder":
        target.mkdir()
        (target / "spec.json").write_bytes(b"precious")
    elif there == "empty folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / ("nowhere" if there == "dangling link" else "."))
    before, link = contents(tmp_path), target.is_symlink()
    with pytest.raises(FileExistsError, match=kind):
        write(target)
    assert contents(tmp_path) == before
    assert target.is_symlink() == link


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_required_file_must_be_given(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        write(tmp_path / "bundle", {name: None})
    assert not contents(tmp_path)


@pytest.mark.parametrize("name", [MANIFEST, CHECKSUM])
def test_manifest_must_not_be_given(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        write(tmp_path / "bundle", {name: b"{}"})
    assert not contents(tmp_path)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\b", "", "a\nb"])
def test_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    assert "not a plain path" in refusal(lambda: write(tmp_path / "below" / "bundle", {name: b"evil"}))
    assert not contents(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_full_disk_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    program = """
        import resource, signal, sys
        from pathlib import Path
        from tests.service.bundle.helpers import tiny_files, write

        largest = max(map(len, tiny_files().values()))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, largest - 1))
        try:
            write(Path(sys.argv[1]))
        except OSError as error:
            print(error.strerror)
    """
    done = run(program, tmp_path / kind)
    assert done.stdout == "File too large\n", done.stderr
    assert not contents(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_full_file_system_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(small)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    try:
        with pytest.raises(OSError, match="No space left"):
            write(small / kind)
        assert not contents(small)
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_interruption_leaves_nothing_behind(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / kind)
    assert not contents(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_being_killed_leaves_no_target(tmp_path: Path, kind: str) -> None:
    program = """
        import os, signal, sys
        from pathlib import Path
        from tests.service.bundle.helpers import write

        synced = []
        def fsync(descriptor):
            synced.append(descriptor)
            if len(synced) == (1 if sys.argv[1].endswith(".zip") else 5):
                os.kill(os.getpid(), signal.SIGKILL)
        os.fsync = fsync
        write(Path(sys.argv[1]))
    """
    target = tmp_path / kind
    assert run(program, target).returncode == -signal.SIGKILL
    assert not target.exists()
    assert all(path.name.endswith(".partial") for path in tmp_path.iterdir())
    read_bundle(write(target))


@pytest.mark.parametrize("kind", KINDS)
def test_folder_without_write_permission(tmp_path: Path, kind: str) -> None:
    tmp_path.chmod(0o555)
    with unprivileged(), pytest.raises(PermissionError):
        write(tmp_path / kind)
    tmp_path.chmod(0o755)
    assert not contents(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_parent_folder_that_is_a_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / kind)
    assert contents(tmp_path) == {"file": b"precious"}


def test_everything_is_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, synced = tmp_path / "bundle", []

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, target.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write(target)
    *before, (last, in_place) = synced
    assert (last, in_place) == (tmp_path.stat().st_ino, True)
    assert not any(there for _, there in before)
    assert {number for number, _ in before} == {path.stat().st_ino for path in (target, *target.rglob("*"))}
