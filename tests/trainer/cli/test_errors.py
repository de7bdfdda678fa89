"""Whatever goes wrong is one line and an exit code, and nothing of the user's is changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from trainer.cli.errors import clear_errors

from tests.support.photos import write_folder
from tests.support.trainer import trainer
from tests.trainer.cli.conftest import FAST, failure, fit, tree


def test_says_what_is_wrong_with_the_data(tmp_path: Path, run: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    single = write_folder(tmp_path / "single")
    for label in ("red", "green"):
        for path in (single / label).iterdir():
            path.unlink()
        (single / label).rmdir()
    listed = tmp_path / "table.csv"
    listed.write_text("path,label\nphotos/none.jpg,red\n")
    good = write_folder(tmp_path / "photos")
    strange = write_folder(tmp_path / "strange", each=1)
    (strange / "red").rename(strange / "purple")
    for arguments, message in (
        ((empty,), "no image"),
        ((single,), "only the class 'blue'"),
        ((listed,), "none.jpg"),
        ((listed, "--label-column", "kind"), "there is no column 'kind'"),
        ((tmp_path / "nowhere",), "nowhere"),
        ((good, "--valid", strange), "'purple'"),
    ):
        result = fit(arguments[0], run, *arguments[1:])
        assert result.exit_code == 1
        assert message in failure(result)
        assert not run.exists()


def test_says_what_is_wrong_with_the_options(photos: Path, run: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("--backbone", "resnet9000"), "there is no backbone 'resnet9000'"),
        (("--backbone", "timm/resnet9000"), "timm has no model 'resnet9000'"),
        (("--device", "tpu"), "no device tpu"),
        (("--epochs", "-1"), "finetune.epochs is -1"),
        (("--epochs", "0"), "nothing would be trained"),
        (("--sizes", "16:1,32"), "finetune.sizes is '16:1,32'"),
        (("--sizes", "16:1", "--epochs", "3"), "finetune.epochs is 3, but finetune.sizes is '16:1', 1 epochs"),
        (("--freeze", "early:two"), "finetune.freeze is 'early:two'"),
        (("--freeze", "head"), "the head would never learn: finetune.freeze is 'head'"),
        (("--freeze", "head:2"), "the head would never learn"),
        (("--accumulate", "9"), "finetune.accumulate is 9; it must be from 1 to 8"),
        (("--recipe", tmp_path / "none.toml"), "cannot be read"),
        (("--weights", tmp_path / "none.safetensors"), "there is no weights file"),
    ):
        result = fit(photos, run, *arguments)
        assert result.exit_code == 2, result.output
        assert message in failure(result)
        assert not run.exists()


def test_an_existing_run_is_left_as_it_is(photos: Path, run: Path) -> None:
    run.mkdir()
    (run / "mine.txt").write_text("precious")
    result = fit(photos, run)
    assert result.exit_code == 2
    assert "exists already; nothing is overwritten" in failure(result)
    assert [path.name for path in run.iterdir()] == ["mine.txt"]


def test_too_many_broken_images_are_refused_and_the_run_can_be_started_again(photos: Path, run: Path) -> None:
    broken = [photos / "red" / f"broken{number}.jpg" for number in range(8)]
    for path in broken:
        path.write_bytes(b"\xff\xd8\xff broken")
    result = fit(photos, run)
    assert result.exit_code == 1
    assert "8 of 44 images cannot be decoded, more than 10%" in failure(result)
    for path in broken:
        path.unlink()
    assert fit(photos, run).exit_code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission(photos: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    result = fit(photos, locked / "run")
    assert result.exit_code == 1
    assert "Permission denied" in failure(result)


def test_a_place_that_cannot_be_written_is_said(photos: Path) -> None:
    result = trainer("fit", photos, "--out", "/proc/run", "--cache", photos.parent / "cache", *FAST)
    assert result.exit_code == 1
    assert "/proc/run" in failure(result)


def test_a_disk_that_is_full_while_exporting_loses_nothing(photos: Path, run: Path, tmp_path: Path) -> None:
    """A limit on the size of a file stands for the full disk: what it breaks, and when, is the same."""
    assert fit(photos, run).exit_code == 0
    before = tree(run)
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from trainer.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "export", run, "--out", tmp_path / "b", "--cache", tmp_path / "cache"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("error: ")
    assert "File too large" in process.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "photos", "run"]
    assert tree(run) == before
    assert trainer("export", run, "--out", tmp_path / "b", "--cache", tmp_path / "cache").exit_code == 0


def test_ctrl_c_ends_with_one_line(photos: Path, run: Path) -> None:
    command = [sys.executable, "-m", "trainer", "fit", photos, "--out", run, "--cache", run.parent / "cache"]
    # Where a shell started the tests in the background they ignore Ctrl-C, and so would what they start.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*command, *FAST, "--epochs", "10000"], stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, handler)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("finetune"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 1
    assert rest.splitlines()[-1].startswith("error: interrupted; a run that was begun goes on with:")
    assert "Traceback" not in rest
    assert (run / "checkpoints" / "best.safetensors").exists()


def test_only_a_run_in_training_can_be_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever stopped `evaluate` or `report` was told to resume a run that was finished."""
    for resumable, told in ((True, "interrupted; a run that was begun goes on with"), (False, "error: interrupted\n")):
        with pytest.raises(SystemExit), clear_errors(resumable=resumable):
            raise KeyboardInterrupt
        assert told in capsys.readouterr().err
