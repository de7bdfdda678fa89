"""Images are moved, and back, whenever the process is killed; nothing else is touched, and no link is followed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer.checking.pictures import content_of
from trainer.checking.findings import CheckResult, Finding, FoundImage
from trainer.checking.quarantine import movable_images, open_quarantine, require_movable
from trainer.errors import QuarantineError

NAMES = ("a/1.jpg", "a/2.jpg", "b/3.jpg", "b/sub/4.jpg")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"content of {name}")
    return root


def wanted(root: Path, *names: str, kind: str = "blurred") -> list[tuple[str, str, str]]:
    return [(kind, name, hashlib.sha256((root / name).read_bytes()).hexdigest()) for name in names]


def move(root: Path, folder: Path, *names: str, max_fraction: float = 1) -> tuple[list[str], dict[str, str]]:
    with open_quarantine(folder, root) as quarantine:
        moved = quarantine.move(wanted(root, *names), images=len(NAMES), max_fraction=max_fraction)
    return moved.paths, moved.left


def undo(folder: Path) -> tuple[list[str], dict[str, str]]:
    with open_quarantine(folder, None) as quarantine:
        moved = quarantine.undo()
    return moved.paths, moved.left


def test_there_and_back(photos: Path, tmp_path: Path) -> None:
    before, folder = content_of(photos), tmp_path / "new/moved"
    times = {name: (photos / name).stat().st_mtime_ns for name in NAMES}
    assert move(photos, folder, "a/1.jpg", "b/sub/4.jpg") == (["a/1.jpg", "b/sub/4.jpg"], {})
    assert set(content_of(photos)) == {"a/2.jpg", "b/3.jpg"}
    moved = content_of(folder)
    assert set(moved) == {"journal.jsonl", "blurred/a/1.jpg", "blurred/b/sub/4.jpg"}
    assert moved["blurred/a/1.jpg"] == before["a/1.jpg"]
    assert undo(folder) == (["b/sub/4.jpg", "a/1.jpg"], {})
    assert content_of(photos) == before
    assert {name: (photos / name).stat().st_mtime_ns for name in NAMES} == times
    assert [path.name for path in folder.iterdir()] == ["journal.jsonl"]


def test_the_journal_is_on_the_disk_before_each_move(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, link, unlink = os.fsync, os.link, os.unlink
    monkeypatch.setattr(os, "fsync", lambda file: (events.append("sync"), fsync(file))[1])
    monkeypatch.setattr(os, "link", lambda *a, **k: (events.append("link"), link(*a, **k))[1])
    monkeypatch.setattr(os, "unlink", lambda *a, **k: (events.append("unlink"), unlink(*a, **k))[1])
    journal = tmp_path / "moved/journal.jsonl"
    with open_quarantine(tmp_path / "moved", photos) as quarantine:
        events.clear()
        quarantine.move(wanted(photos, "a/1.jpg", "a/2.jpg"), images=4, max_fraction=1)
    assert events == [
        "sync",  # the plan
        *(["sync", "link", "sync", "unlink", "sync"] * 2),  # the journal; the new name; its folder; the old one; ...
        "sync",  # all done
    ]
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == ["version", "plan", "move", "move", "done"]


@pytest.mark.parametrize("step", range(14))
def test_after_a_kill_at_any_step_the_same_command_finishes(photos: Path, tmp_path: Path, step: int) -> None:
    """The process kills itself before its n-th call that writes, links or removes."""
    before, folder = content_of(photos), tmp_path / "moved"
    program = f"""
import os, signal
from pathlib import Path
from tests.trainer.checking.test_quarantine import move
left = {step}
def dying(call):
    def run(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return run
for name in ("fsync", "link", "unlink"):
    setattr(os, name, dying(getattr(os, name)))
move(Path({str(photos)!r}), Path({str(folder)!r}), "a/1.jpg", "b/3.jpg")
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[3])
    here = [*photos.rglob("*.jpg"), *folder.rglob("*.jpg")]
    assert {path.read_text() for path in here} == set(map(bytes.decode, before.values()))  # type: ignore[arg-type]
    if done.returncode == 0:  # more steps than there are
        assert step > 12
    else:
        assert done.returncode == -signal.SIGKILL
    with open_quarantine(folder, photos) as quarantine:
        quarantine.continue_moves()
        left = [name for name in ("a/1.jpg", "b/3.jpg") if (photos / name).exists()]
        assert len(left) in (0, 2)  # the plan was carried out, or was never made
        quarantine.move(wanted(photos, *left), images=4, max_fraction=1)
    assert set(content_of(photos)) == {"a/2.jpg", "b/sub/4.jpg"}
    assert set(content_of(folder)) == {"journal.jsonl", "blurred/a/1.jpg", "blurred/b/3.jpg"}
    undo(folder)
    assert content_of(photos) == before


def test_an_undo_that_was_killed_is_finished_by_undo(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, folder = content_of(photos), tmp_path / "moved"
    move(photos, folder, "a/1.jpg", "b/3.jpg")
    unlink = os.unlink

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "unlink", stop)
    with pytest.raises(KeyboardInterrupt):
        undo(folder)
    monkeypatch.setattr(os, "unlink", unlink)
    with open_quarantine(folder, photos) as quarantine, pytest.raises(QuarantineError, match="finish with `undo`"):
        quarantine.continue_moves()
    undo(folder)
    assert content_of(photos) == before


def test_what_is_already_moved_back_by_hand_stays(photos: Path, tmp_path: Path) -> None:
    before, folder = content_of(photos), tmp_path / "moved"
    move(photos, folder, "a/1.jpg", "b/3.jpg")
    for name in ("a/1.jpg", "b/3.jpg"):
        (folder / "blurred" / name).rename(photos / name)
    with open_quarantine(folder, photos) as quarantine:
        assert quarantine.continue_moves().paths == []
    assert content_of(photos) == before


def test_a_new_file_with_the_old_name_is_not_overwritten(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    move(photos, folder, "a/1.jpg")
    (photos / "a/1.jpg").write_text("new")
    assert undo(folder) == ([], {"a/1.jpg": "another file has its new name already"})
    assert (photos / "a/1.jpg").read_text() == "new"
    assert (folder / "blurred/a/1.jpg").read_text() == "content of a/1.jpg"


def test_another_file_with_the_same_path_gets_another_name(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    move(photos, folder, "a/1.jpg")
    (photos / "a/1.jpg").write_text("new")
    assert move(photos, folder, "a/1.jpg") == (["a/1.jpg"], {})
    assert (folder / "blurred/a/1.jpg").read_text() == "content of a/1.jpg"
    assert (folder / "blurred/a/1~2.jpg").read_text() == "new"


def test_too_many_images_are_refused(photos: Path, tmp_path: Path) -> None:
    before = content_of(photos)
    with pytest.raises(QuarantineError, match=r"2 of 4 images would be moved, more than 40%"):
        move(photos, tmp_path / "moved", "a/1.jpg", "a/2.jpg", max_fraction=0.4)
    assert content_of(photos) == before


def test_a_file_that_changed_since_is_left(photos: Path, tmp_path: Path) -> None:
    plan = wanted(photos, "a/1.jpg", "a/2.jpg")
    (photos / "a/1.jpg").write_text("changed")
    with open_quarantine(tmp_path / "moved", photos) as quarantine:
        moved = quarantine.move(plan, images=4, max_fraction=1)
    assert moved.paths == ["a/2.jpg"]
    assert moved.left == {"a/1.jpg": "it has changed since it was checked"}


def test_links_are_not_followed(photos: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "5.jpg").write_text("outside")
    (photos / "linked").symlink_to(outside)
    (photos / "a/link.jpg").symlink_to(outside / "5.jpg")
    before = content_of(photos)
    paths, left = move(photos, tmp_path / "moved", "linked/5.jpg", "a/link.jpg")
    assert paths == []
    assert left == {"linked/5.jpg": "it is reached through a link", "a/link.jpg": "it is a link, or no regular file"}
    assert content_of(photos) == before
    assert (outside / "5.jpg").read_text() == "outside"


def test_a_folder_that_becomes_a_link_in_the_middle_is_not_followed(photos: Path, tmp_path: Path) -> None:
    folder, outside = tmp_path / "moved", tmp_path / "outside"
    outside.mkdir()
    move(photos, folder, "a/1.jpg")
    shutil.move(folder / "blurred/a", tmp_path / "taken")
    (folder / "blurred/a").symlink_to(outside)
    assert move(photos, folder, "a/2.jpg") == ([], {"a/2.jpg": "it is reached through a link"})
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["../outside.jpg", "a/../../outside.jpg", "/etc/hostname"])
def test_a_path_out_of_the_data_is_left(photos: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.jpg").write_text("outside")
    with open_quarantine(tmp_path / "moved", photos) as quarantine:
        moved = quarantine.move([("blurred", path, "")], images=4, max_fraction=1)
    assert moved.left == {path: "it is outside of the data"}
    assert (tmp_path / "outside.jpg").exists()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system")
def test_another_file_system_is_refused(photos: Path, tmp_path: Path) -> None:
    before, folder = content_of(photos), Path("/dev/shm") / f"fieldguide-{os.getpid()}"
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    try:
        with pytest.raises(QuarantineError, match=r"a/1\.jpg is on another file system"):
            move(photos, folder, "a/1.jpg")
    finally:
        shutil.rmtree(folder)
    assert content_of(photos) == before


@pytest.mark.parametrize("where", [".", "moved", "a/moved"])
def test_the_quarantine_is_not_in_the_data(photos: Path, where: str) -> None:
    before = content_of(photos)
    with pytest.raises(QuarantineError, match="this is in the data"), open_quarantine(photos / where, photos):
        pass
    assert content_of(photos) == before
    assert not (photos / "moved").exists()


def test_folders_that_are_no_quarantine(photos: Path, tmp_path: Path) -> None:
    full, file, link = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    full.mkdir()
    (full / "own.txt").touch()
    file.touch()
    (tmp_path / "empty").mkdir()
    link.symlink_to(tmp_path / "empty")
    for folder, message in ((full, "it is not empty"), (file, "cannot be used"), (link, "cannot be used")):
        with pytest.raises(QuarantineError, match=message), open_quarantine(folder, photos):
            pass
    for content in ("no journal\n", "[]\n", '{"version": 2, "root": "/x"}\n', '{"version": 1}\n{"plan": [1]}\n'):
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other/journal.jsonl").write_text(content)
        with pytest.raises(QuarantineError, match="journal"), open_quarantine(tmp_path / "other", photos):
            pass


def test_the_quarantine_of_other_data_or_of_another_process(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    with (
        open_quarantine(folder, photos),
        pytest.raises(QuarantineError, match="another process uses"),
        open_quarantine(folder, photos),
    ):
        pass
    (tmp_path / "others").mkdir()
    with (
        pytest.raises(QuarantineError, match=r"this is the quarantine of .*photos, not of .*others"),
        open_quarantine(folder, tmp_path / "others"),
    ):
        pass


def found_image(path: str, *, group: int | None = None, keep: bool = False) -> FoundImage:
    return FoundImage(path=path, labels=(), split="", detail="", group=group, keep=keep)


def test_which_images_are_moved() -> None:
    result = CheckResult(
        root=Path("/"),
        summary="",
        images=9,
        classes=1,
        findings=(
            Finding(
                kind="exact-duplicates",
                summary="",
                images=(found_image("1", group=0, keep=True), found_image("2", group=0)),
            ),
            Finding(kind="blurred", summary="", images=(found_image("2"), found_image("3"))),
        ),
        remarks=(),
        seconds=0,
    )
    assert movable_images(result, ["exact-duplicates"]) == [("exact-duplicates", "2", "")]
    assert movable_images(result, ["blurred", "exact-duplicates"]) == [("blurred", "2", ""), ("blurred", "3", "")]
    assert movable_images(result, ["exact-duplicates", "blurred"]) == [
        ("exact-duplicates", "2", ""),
        ("blurred", "3", ""),
    ]
    require_movable(["blurred"])
    with pytest.raises(QuarantineError, match="shortcuts is about whole classes"):
        require_movable(["blurred", "shortcuts"])
