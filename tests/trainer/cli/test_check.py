"""`fieldguide check` from the command line: what it prints, writes and moves, and its exit codes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.trainer import command, error_of, fit, trainer
from tests.trainer.checking.pictures import blurred, content_of, picture, write_pictures


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A copy, a blurred picture, and a file that is no image."""
    root = write_pictures(tmp_path / "photos", each=20)
    shutil.copy(root / "a/000.jpg", root / "a/copy.jpg")
    blurred(picture(500)).save(root / "b/blurred.jpg")
    (root / "b/text.jpg").write_text("no image")
    return root


def test_it_prints_what_it_finds_and_changes_nothing(photos: Path) -> None:
    before = content_of(photos.parent)
    result = trainer("check", photos)
    assert result.exit_code == 0
    assert "exact-duplicates: 2 images in 1 group" in result.stdout
    assert "undecodable: 1 of 43 images cannot be decoded" in result.stdout
    assert "blurred: 1 of 42 images" in result.stdout
    assert content_of(photos.parent) == before


def test_json(photos: Path) -> None:
    result = trainer("check", photos, "--json")
    kinds = [finding["kind"] for finding in json.loads(result.stdout)["findings"]]
    assert kinds == ["undecodable", "exact-duplicates", "blurred"]


def test_files(photos: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"check.{suffix}" for suffix in ("html", "json", "csv")]
    result = trainer("check", photos, *(word for output in outputs for word in ("--out", output)))
    assert result.exit_code == 0
    assert all(output.stat().st_size for output in outputs)
    again = trainer("check", photos, "--out", outputs[0])
    assert again.exit_code == 2
    assert "exists already" in error_of(again)
    assert error_of(trainer("check", photos, "--out", tmp_path / "check.xls")).endswith(
        "check.xls: give a file that ends in .html, .json, .csv as --out"
    )


@pytest.mark.parametrize(
    ("kinds", "code"), [("blurred", 1), ("too-dark,undecodable", 1), ("any", 1), ("too-dark,shortcuts", 0)]
)
def test_a_job_can_fail_on_kinds(photos: Path, kinds: str, code: int) -> None:
    result = trainer("check", photos, "--fail-on", kinds)
    assert result.exit_code == code
    assert ("found: " in result.stderr) == bool(code)


def test_a_clean_set_does_not_fail(tmp_path: Path) -> None:
    result = trainer("check", write_pictures(tmp_path / "photos", each=5), "--fail-on", "any")
    assert result.exit_code == 0
    assert "nothing was found" in result.stdout


def test_only_some_kinds(photos: Path) -> None:
    value = json.loads(trainer("check", photos, "--kinds", "blurred,too-dark", "--json").stdout)
    assert [finding["kind"] for finding in value["findings"]] == ["blurred"]


def test_a_table(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "what", "split"))
        for path in sorted(photos.glob("*/*.jpg")):
            split = "valid" if path.name in ("copy.jpg", "001.jpg") else "train"
            writer.writerow((path.relative_to(photos).as_posix(), path.parent.name, split))
    value = json.loads(
        trainer("check", table, "--root", photos, "--path-column", "file", "--label-column", "what", "--json").stdout
    )
    assert [finding["kind"] for finding in value["findings"]][:2] == ["undecodable", "across-splits"]


def test_a_folder_that_cannot_be_trained_on(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", classes="a", each=10)
    (photos / "a/text.jpg").write_text("no image")
    result = trainer("check", photos)
    assert result.exit_code == 0
    assert "note: checked without labels, because these images cannot be trained on as they are:" in result.stdout
    assert "undecodable: 1 of 11" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--kinds", "dark"), "'dark' is none of undecodable, "),
        (("--fail-on", "none"), "'none' is none of undecodable, "),
        (("--quarantine", "moved"), "--quarantine needs --kinds"),
        (("--undo",), "--undo needs --quarantine DIR"),
        (("--quarantine", "moved", "--kinds", "shortcuts"), "no image can be moved; choose other --kinds"),
        (("--quarantine", "moved", "--undo"), "there is no quarantine here"),
        (("--thorough", "--device", "tpu"), "this machine has no device tpu"),
    ],
)
def test_wrong_use(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = content_of(tmp_path)
    result = trainer("check", photos, *words)
    assert result.exit_code == 2
    assert message in error_of(result)
    assert content_of(tmp_path) == before


def test_no_such_data(tmp_path: Path) -> None:
    assert "there is no such folder or file" in error_of(trainer("check", tmp_path / "nothing"))


def test_quarantine_and_undo(photos: Path, tmp_path: Path) -> None:
    before, moved = content_of(photos), tmp_path / "moved"
    words = ("check", photos, "--quarantine", moved)
    result = trainer(*words, "--kinds", "exact-duplicates,undecodable", "--out", tmp_path / "check.html")
    assert (tmp_path / "check.html").read_text().count('src="data:image/jpeg') == 2  # drawn before they were moved
    assert result.exit_code == 0
    assert "moved: 2 images" in result.stdout
    assert f"undo: fieldguide check {photos} --quarantine {moved} --undo" in result.stdout
    assert before.keys() - content_of(photos).keys() == {"a/copy.jpg", "b/text.jpg"}
    assert set(content_of(moved)) == {"journal.jsonl", "exact-duplicates/a/copy.jpg", "undecodable/b/text.jpg"}
    again = json.loads(trainer(*words, "--kinds", "exact-duplicates,undecodable", "--json").stdout)
    assert again["moved"] == {"paths": [], "left": {}}
    assert "moved back: 2 images" in trainer(*words, "--undo").stdout
    assert content_of(photos) == before


def test_too_many_are_not_moved(photos: Path, tmp_path: Path) -> None:
    before = content_of(photos)
    words = ("check", photos, "--quarantine", tmp_path / "moved", "--kinds", "undecodable,blurred")
    result = trainer(*words, "--max-fraction", "0.03")
    assert result.exit_code == 2
    assert "2 of 43 images would be moved, more than 3%" in error_of(result)
    assert content_of(photos) == before


def test_the_quarantine_of_another_folder(photos: Path, tmp_path: Path) -> None:
    trainer("check", photos, "--quarantine", tmp_path / "moved", "--kinds", "blurred")
    other = write_pictures(tmp_path / "other", each=5)
    for words in (("--undo",), ("--kinds", "blurred")):
        result = trainer("check", other, "--quarantine", tmp_path / "moved", *words)
        assert "this is the quarantine of " in error_of(result)


@pytest.mark.parametrize("after_moves", [1, 5, 20])
def test_a_command_that_is_killed_while_it_moves_is_continued_by_the_same_one(tmp_path: Path, after_moves: int) -> None:
    photos, moved = write_pictures(tmp_path / "photos", each=20), tmp_path / "moved"
    for number in range(60):
        (photos / f"a/text-{number:02}.jpg").write_text(f"no image {number}")
    before = content_of(photos)
    words = ("check", photos, "--quarantine", moved, "--kinds", "undecodable", "--max-fraction", "0.9")
    process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if len(list(moved.glob("undecodable/a/*"))) >= after_moves:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    process.wait()
    contents = {**content_of(photos), **content_of(moved)}
    assert {content for name, content in contents.items() if name != "journal.jsonl"} == set(before.values())
    assert trainer(*words).exit_code == 0
    assert not list(photos.glob("a/text*"))
    assert len(list(moved.glob("undecodable/a/*"))) == 60
    trainer("check", photos, "--quarantine", moved, "--undo")
    assert content_of(photos) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_listed(photos: Path) -> None:
    (photos / "a/003.jpg").chmod(0)
    assert "The file cannot be read (Permission denied)." in trainer("check", photos).stdout


def test_no_other_command_changes_the_data(photos: Path, tmp_path: Path) -> None:
    """The whole way from a check to the evaluation of a model."""
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in photos.rglob("*")}
    contents = content_of(photos)
    run = tmp_path / "run"
    results = [
        trainer("check", photos, "--out", tmp_path / "check.html"),
        fit(photos, run),
        trainer("report", run),
        trainer("export", run, "--out", tmp_path / "bundle"),
        trainer("evaluate", run, write_pictures(tmp_path / "other", each=4)),
    ]
    assert [result.exit_code for result in results] == [0] * 5, [result.stderr for result in results]
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in photos.rglob("*")} == before
    assert content_of(photos) == contents


def test_a_fit_warns_of_what_it_knows_about_its_images(tmp_path: Path) -> None:
    photos = write_pictures(
        tmp_path / "photos", change=lambda label, image: image.resize((80, 60)) if label == "a" else image
    )
    shutil.copy(photos / "a/000.jpg", photos / "a/copy.jpg")
    shutil.copy(photos / "b/001.jpg", photos / "a/other.jpg")
    result = fit(photos, tmp_path / "run", "--json")
    lines = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    shows_more = f"; fieldguide check {photos} shows more."
    (contradiction,) = [line for line in lines if "under different labels" in line]
    assert "a/other.jpg = b/001.jpg" in contradiction
    assert f"warning: 2 images are exact duplicates, in 1 group (a/000.jpg = a/copy.jpg){shows_more}" in lines
    (shortcut,) = [line for line in lines if "predicted by the size or the format" in line]
    assert "'a': 31 of 32 images of it have the size 80 x 60" in shortcut or "'b': all 30 images" in shortcut
    assert len(json.loads(result.stdout)["warnings"]) >= 3


def test_an_archive_is_checked_and_its_images_are_not_moved(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos")
    (photos / "A").mkdir()
    shutil.copy(photos / "a/000.jpg", photos / "A/000.jpg")
    shutil.copy(photos / "a/001.jpg", photos / "A/001.jpg")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", photos))
    before = archive.read_bytes()
    page = tmp_path / "check.html"
    result = trainer("check", archive, "--out", page)
    assert result.exit_code == 0
    assert "conflicting-labels: 4 images in 2 groups" in result.stdout
    assert "; --merge-labels joins them." in result.stdout
    assert "--merge-labels" in page.read_text("utf-8")
    moved = trainer("check", archive, "--kinds", "exact-duplicates", "--quarantine", tmp_path / "moved")
    assert moved.exit_code == 2
    assert moved.stderr.endswith("only images in a folder can be moved; unpack the archive first\n")
    assert archive.read_bytes() == before
    assert not (tmp_path / "moved").exists()
