"""How images, labels and splits are read: the options, what they report, and that every command reads alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.photos import COLOURS, draw
from tests.support.trainer import FAST, error_of, fit, table, trainer
from trainer.catalog import files

SUMMARY = (
    "36 images of 3 classes: 29 train, 7 validation drawn at random, 0 test; 12 of each class; labels: the image's own "
    "folder (level 1), blue/000.jpg -> blue, green/000.jpg -> green, red/000.jpg -> red"
)


def write(root: Path, name: str, *, each: int = 12, first: int = 0) -> Path:
    """Pictures under names such as `{label}/part_{part}/{number}.jpg`; there are three parts."""
    for label in COLOURS:
        for number in range(first, first + each):
            path = root / name.format(label=label, number=number, part=number % 3)
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(label, number).save(path, "JPEG", quality=95)
    return root


def lines(result: Result, start: str) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line for line in result.stderr.splitlines() if line.startswith(start)]


def test_every_command_says_what_was_read(photos: Path, run: Path, tmp_path: Path) -> None:
    fitted = fit(photos, run, "--json")
    assert lines(fitted, str(photos)) == [f"{photos}: {SUMMARY}"]
    assert json.loads(fitted.stdout)["images"] == f"{photos}: {SUMMARY}"
    found = trainer(
        "lr-find", photos, *(FAST[:2]), *(FAST[-2:]), "--lr-min", "0.1", "--lr-max", "1", "--cache", tmp_path / "cache"
    )
    assert lines(found, str(photos)) == [f"{photos}: {SUMMARY}"]
    others = write(tmp_path / "others", "{label}/{number}.jpg", each=2, first=50)
    evaluated = trainer("evaluate", run, others, "--json")
    (line,) = lines(evaluated, str(others))
    assert line.startswith(
        f"{others}: 6 images of 3 classes: 0 train, 0 validation, 6 test; 2 of each class; labels: the"
    )
    assert json.loads(evaluated.stdout)["images"] == line
    shutil.rmtree(run / "bundle")
    resumed = trainer("resume", run, "--cache", tmp_path / "cache")
    assert lines(resumed, str(photos)) == [f"{photos}: {SUMMARY}"]


def test_the_level_is_kept_for_evaluation_and_can_be_changed(run: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "photos", "{label}/shop{part}/{number}.jpg")
    assert "labels: the folder at level 1, " in lines(fit(data, run, "--class-level", "1"), str(data))[0]
    others = write(tmp_path / "others", "{label}/mall/{number}.jpg", each=2, first=50)
    assert lines(trainer("evaluate", run, others), str(others))
    deeper = tmp_path / "deeper"
    shutil.move(others, deeper / "new")
    assert "no training image has the label 'new'" in error_of(trainer("evaluate", run, deeper))
    assert lines(trainer("evaluate", run, deeper, "--class-level", "2"), str(deeper))
    assert lines(trainer("evaluate", run, deeper, "--pattern", "/([a-z]+)/mall/"), str(deeper))


def test_a_pattern_shows_ten_labels_before_it_trains(run: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "photos", "{label}_{number}.jpg")
    result = fit(data, run, "--pattern", "/([^/]+)_[0-9]+[.]jpg$")
    shown = lines(result, "  ")[:10]
    assert shown[:3] == ["  blue_0.jpg -> blue", "  green_0.jpg -> green", "  red_0.jpg -> red"]
    assert all(" -> " in line for line in shown)
    text = result.stderr.splitlines()
    assert text.index(shown[-1]) < next(number for number, line in enumerate(text) if "read files" in line)
    assert "--pattern '/([a-z]+)-' finds no label in 36 of 36 paths" in error_of(
        fit(data, tmp_path / "other", "--pattern", "/([a-z]+)-")
    )


def test_groups_lists_and_random_splits(run: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "photos", "{label}/part_{part}/{number}.jpg")
    assert fit(data, run, "--group-by", "/([a-z]+/part_[0-9])/").exit_code == 0
    parts = {
        split: {row["path"].rpartition("/")[0] for row in table(run / "catalog.csv") if row["split"] == split}
        for split in ("train", "valid")
    }
    assert parts["valid"]
    assert not parts["train"] & parts["valid"]
    names = tmp_path / "valid.txt"
    names.write_text("blue/part_0/0.jpg\nred/part_1/1.jpg\ngreen/part_2/2.jpg\n")
    assert fit(data, tmp_path / "listed", "--valid-list", names).exit_code == 0
    rows = table(tmp_path / "listed" / "catalog.csv")
    assert [row["path"] for row in rows if row["split"] == "valid"] == sorted(names.read_text().split())
    assert "--split list and --valid-list belong together" in error_of(fit(data, tmp_path / "no", "--split", "list"))


def test_a_class_that_is_called_train(run: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "photos", "{label}/{number}.jpg")
    (data / "red").rename(data / "train")
    assert "if they are classes, add --split random or --class-level 1" in error_of(fit(data, run))
    assert "of 3 classes" in lines(fit(data, run, "--split", "random"), str(data))[0]


def test_spellings_and_suffixes(run: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "photos", "{label}/{number}.jpg_large")
    write(data, "{label}s/{number}.jpg", first=50)
    for label in COLOURS:
        (data / f"{label}s").rename(data / label.upper())
    result = fit(data, run)
    assert "of 3 classes" in lines(result, str(data))[0]
    (warning,) = [line for line in lines(result, "warning: ") if "without the suffix of an image" in line]
    assert warning.endswith("'blue/0.jpg_large' and maybe others are images by their content: add --any-suffix.")
    result = fit(data, tmp_path / "merged", "--any-suffix", "--merge-labels")
    assert "72 images of 3 classes" in lines(result, str(data))[0]


def test_files_that_cannot_be_read_are_left_out(photos: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """chmod does not stop root, and containers run tests as root."""
    hash_file = files._hash

    def denied(path: Path) -> str | OSError:
        return PermissionError(13, "Permission denied") if path.stem == "003" else hash_file(path)

    monkeypatch.setattr(files, "_hash", denied)
    result = fit(photos, run, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["unreadable"] == {
        f"{label}/003.jpg": "The file cannot be read (Permission denied)." for label in ("blue", "green", "red")
    }
    assert "33 images of 3 classes" in json.loads(result.stdout)["images"]
    assert {row["path"] for row in table(run / "unreadable.csv")} == {f"{label}/003.jpg" for label in COLOURS}
