"""RUN/report.html from the files of a run; what is on the page is tested in tests/trainer/report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.photos import write_folder
from tests.support.trainer import fit
from trainer.errors import CatalogError, RunError
from trainer.run import RunFolder, report_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images in `photos`, two of which cannot be decoded, and a run in `run`. Do not change it."""
    home = tmp_path_factory.mktemp("report")
    photos = write_folder(home / "photos")
    for number in range(2):
        (photos / "red" / f"broken{number}.jpg").write_text("not an image")
    assert fit(photos, home / "run").exit_code == 0
    return home


def test_a_report_is_written_again_and_counts_what_was_left_out(finished: Path, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(finished / "run", tmp_path / "run")))
    before = run.report.read_text()
    assert "<dt>Unreadable, left out</dt><dd>2</dd>" in before
    run.report.unlink()
    assert report_run(run.path, root=None) == run.report
    assert run.report.read_text() == before.replace(f"serve {finished}/run/bundle", f"serve {run.bundle}")
    run.diagnosis.unlink()  # a report needs none
    run.unreadable.unlink()
    report_run(run.path, root=None)
    assert "Unreadable" not in run.report.read_text()


@pytest.mark.parametrize("name", ["catalog.csv", "predictions.csv", "bundle"])
def test_a_run_without_what_a_report_needs_is_refused(finished: Path, tmp_path: Path, name: str) -> None:
    run = Path(shutil.copytree(finished / "run", tmp_path / "run"))
    (run / name).rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=rf"has no {name} yet; continue the run with `resume\("):
        report_run(run, root=None)


def test_images_that_are_gone_are_named(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError, match=r"images are not under .*empty .*`root`"):
        report_run(finished / "run", root=tmp_path / "empty")
