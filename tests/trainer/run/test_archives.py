"""Images in an archive are trained on, evaluated and shown as those of the folder that was packed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from service.bundle import read_bundle
from tests.support.photos import write_folder
from tests.support.runs import outcome, tree
from tests.support.trainer import error_of, fit, table, trainer


@pytest.fixture
def archives(photos: Path, tmp_path: Path) -> Path:
    """The folder of the photos packed in every way, elsewhere."""
    folder = tmp_path / "packed"
    folder.mkdir()
    for kind, suffix in (("zip", ""), ("gztar", ""), ("tar", "")):
        shutil.make_archive(str(folder / f"photos{suffix}"), kind, photos.parent, photos.name)
    shutil.make_archive(str(folder / "inside"), "gztar", photos)
    return folder


def test_an_archive_gives_the_weights_of_its_folder(photos: Path, archives: Path, tmp_path: Path) -> None:
    assert fit(photos, tmp_path / "of the folder").exit_code == 0
    shutil.rmtree(photos)
    before = tree(archives)
    for name in ("photos.zip", "inside.tar.gz"):
        run = tmp_path / f"of {name}"
        result = fit(archives / name, run, "--golden", "validation")
        assert result.exit_code == 0, result.output
        assert outcome(run) == outcome(tmp_path / "of the folder")
        assert table(run / "catalog.csv") == table(tmp_path / "of the folder" / "catalog.csv")
        bundle = read_bundle(run / "bundle")
        assert bundle.models == read_bundle(tmp_path / "of the folder" / "bundle").models
        assert bundle.manifest.name == name.partition(".")[0]
    assert tree(archives) == before
    assert {path.name for path in tmp_path.iterdir()} == {
        *("packed", "cache", "of the folder", "of photos.zip", "of inside.tar.gz")
    }


def test_a_run_of_an_archive_is_evaluated_reported_exported_and_moved(archives: Path, tmp_path: Path) -> None:
    run, held_out = tmp_path / "run", tmp_path / "others"
    assert fit(archives / "photos.tar.gz", run).exit_code == 0
    shutil.make_archive(str(held_out), "zip", write_folder(held_out, each=5, first=100))
    of_folder, of_archive = (trainer("evaluate", run, data, "--json") for data in (held_out, f"{held_out}.zip"))
    assert of_archive.exit_code == 0, of_archive.output
    assert json.loads(of_archive.stdout)["test"] == json.loads(of_folder.stdout)["test"]

    moved = tmp_path / "elsewhere" / "moved.tar"
    moved.parent.mkdir()
    shutil.move(archives / "photos.tar", moved)
    shutil.rmtree(archives)
    gone = trainer("report", run)
    assert gone.exit_code != 0
    assert "not under" in error_of(gone)
    assert error_of(gone).endswith("with --root.")
    shutil.rmtree(run / "bundle")
    for arguments in (("resume", run), ("report", run), ("export", run, "--out", tmp_path / "again.zip")):
        result = trainer(*arguments, "--root", moved)
        assert result.exit_code == 0, result.output


def test_learning_rates_are_found_in_an_archive(archives: Path, tmp_path: Path, cache: Path) -> None:
    found = trainer("lr-find", archives / "photos.zip", "--backbone", "tiny", "--cache", cache, "--device", "cpu")
    assert found.exit_code == 0, found.output
