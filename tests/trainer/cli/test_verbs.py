"""The whole journey by the command line: photos in, bundle out, nothing of the user's changed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import Result

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.support.photos import COLOURS, draw, write_folder, write_tagged_csv
from tests.support.trainer import table, trainer

FAST = ("--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--lr", "0.02", "--device", "cpu")


def fit(data: Path, run: Path, *more: str | Path) -> Result:
    return trainer("fit", data, "--out", run, "--cache", run.parent / "cache", *FAST, *more)


def failure(result: Result) -> str:
    """The one line of an error."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file of a folder with its hash and time of change."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_fit_gives_a_bundle_that_answers_and_changes_nothing_of_the_users(photos: Path, run: Path) -> None:
    (photos / "blue" / "notes.jpg").write_text("not an image")
    before = tree(photos)
    result = fit(photos, run, "--json", "--name", "stripes")
    assert result.exit_code == 0, result.output
    assert tree(photos) == before

    summary = json.loads(result.stdout)
    assert list(summary["unreadable"]) == ["blue/notes.jpg"]
    assert summary["stages_s"]["whole"] > 0
    bundle = read_bundle(run / "bundle")
    assert summary["digest"] == bundle.digest
    assert bundle.spec.classes == ("blue", "green", "red")
    assert bundle.manifest.name == "stripes"
    predictor = Predictor(bundle)

    rows = table(run / "catalog.csv")
    valid = [row for row in rows if row["split"] == "valid"]
    assert {row["split"] for row in rows} == {"train", "valid"}
    answers = {row["path"]: predictor.predict((photos / row["path"]).read_bytes()).best.label for row in valid}
    accuracy = sum(answers[row["path"]] == row["label"] for row in valid) / len(valid)
    assert bundle.metrics["validation"]["accuracy"] == accuracy
    assert bundle.metrics["validation"]["images"] == len(valid)

    predictions = table(run / "predictions.csv")
    assert {row["path"]: row["predicted"] for row in predictions} == answers
    losses = [float(row["loss"]) for row in predictions]
    assert losses == sorted(losses, reverse=True)

    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert bundle.spec.temperature != 1
    assert f"({bundle.spec.temperature})" in bundle.card
    assert bundle.metrics["validation"]["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [1, 2]
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    assert recipe["whole"]["epochs"] == 2
    assert recipe["data"]["path"] == str(photos)
    assert "stripes" in bundle.card
    assert sorted(path.name for path in run.iterdir()) == [
        "bundle", "catalog.csv", "checkpoints", "diagnosis.json", "history.jsonl", "predictions.csv", "recipe.toml",
        "report.html", "unreadable.csv",
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_split_and_the_same_weights(photos: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert fit(photos, tmp_path / name, "--seed", "5").exit_code == 0
    assert fit(photos, tmp_path / "third", "--seed", "6").exit_code == 0
    catalogs, weights = (
        [(tmp_path / name / part).read_bytes() for name in ("first", "second", "third")]
        for part in ("catalog.csv", "checkpoints/best.safetensors")
    )
    assert catalogs[0] == catalogs[1] != catalogs[2]
    assert weights[0] == weights[1] != weights[2]


def test_the_craft_of_training_is_asked_for_by_options(photos: Path, run: Path) -> None:
    options = {
        "sizes": "16:1,32:1", "freeze": "early:1", "mixup": 0.2, "cutmix": 1.0, "patience": 5, "clip_norm": 1.0,
        "accumulate": 2, "balance": "loss", "precision": "bf16",
    }  # fmt: skip
    given = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert fit(photos, run, *given).exit_code == 0
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    assert recipe["whole"]["epochs"] == 2
    assert {name: recipe["whole"].get(name, recipe.get(name)) for name in options} == options


def test_sizes_say_the_epochs_even_of_a_recipe_that_has_others(photos: Path, run: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[whole]\nepochs = 5\nbatch_size = 8\n")
    arguments = ("--backbone", "tiny", "--device", "cpu", "--cache", tmp_path / "cache", "--sizes", "16:1")
    assert trainer("fit", photos, "--out", run, "--recipe", recipe, *arguments).exit_code == 0
    assert tomllib.loads((run / "recipe.toml").read_text())["whole"]["epochs"] == 1


def test_export_writes_the_same_model_again_as_a_zip(photos: Path, run: Path, tmp_path: Path) -> None:
    assert fit(photos, run).exit_code == 0
    result = trainer(
        "export", run, "--out", tmp_path / "again.zip", "--cache", tmp_path / "cache", "--golden", "validation",
        "--version", "2", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    first, second = read_bundle(run / "bundle"), read_bundle(tmp_path / "again.zip")
    assert second.manifest.version == "2"
    assert second.metrics["validation"] == first.metrics["validation"]
    assert second.models == first.models
    image = (photos / "red" / "003.jpg").read_bytes()
    assert Predictor(second).predict(image).best == Predictor(first).predict(image).best


def test_multilabel_end_to_end(tmp_path: Path, run: Path) -> None:
    tagged = write_tagged_csv(tmp_path / "tagged", images=64)
    options = ("--label-column", "tags", "--label-delimiter", ";", "--epochs", "12", "--json")
    result = fit(tagged, run, *options)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)["validation"]
    assert set(figures) == {"images", "loss", "macro_f1", "mean_average_precision", "micro_f1"}
    assert figures["micro_f1"] > 0.6
    bundle = read_bundle(run / "bundle")
    assert bundle.spec.task == "multilabel"
    assert len(bundle.spec.thresholds) == 3
    predictor = Predictor(bundle)
    rows = [row for row in table(run / "catalog.csv") if row["split"] == "valid"]
    right = given = wanted = 0
    for row in rows:
        answer = {label.label for label in predictor.predict((tagged.parent / row["path"]).read_bytes()).labels}
        truth = set(filter(None, row["label"].split(";")))
        right, given, wanted = right + len(answer & truth), given + len(answer), wanted + len(truth)
    assert figures["micro_f1"] == pytest.approx(2 * right / (given + wanted))


def test_train_and_valid_folders_and_valid_option_are_honoured(tmp_path: Path) -> None:
    sided = tmp_path / "sided"
    write_folder(sided / "train", each=8)
    write_folder(sided / "val", each=3, first=50)
    assert fit(sided, tmp_path / "run1").exit_code == 0
    rows = table(tmp_path / "run1" / "catalog.csv")
    assert {row["path"].split("/")[0]: row["split"] for row in rows} == {"train": "train", "val": "valid"}
    result = fit(sided / "train", tmp_path / "run2", "--valid", sided / "val", "--json")
    assert json.loads(result.stdout)["validation"]["images"] == 9


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
        (("--epochs", "-1"), "whole.epochs is -1"),
        (("--epochs", "0"), "nothing would be trained"),
        (("--sizes", "16:1,32"), "whole.sizes is '16:1,32'"),
        (("--sizes", "16:1", "--epochs", "3"), "whole.epochs is 3, but whole.sizes is '16:1', 1 epochs"),
        (("--freeze", "early:two"), "whole.freeze is 'early:two'"),
        (("--accumulate", "9"), "whole.accumulate is 9; it must be from 1 to 8"),
        (("--recipe", tmp_path / "none.toml"), "cannot be read"),
        (("--weights", tmp_path / "none.safetensors"), "there is no weights file"),
    ):
        result = fit(photos, run, *arguments)
        assert result.exit_code == 2, result.output
        assert message in failure(result)
        assert not run.exists()


def test_a_class_with_one_image_is_a_warning(photos: Path, run: Path) -> None:
    (photos / "lonely").mkdir()
    draw("red", 999).save(photos / "lonely" / "one.png")
    result = fit(photos, run, "--json")
    assert result.exit_code == 0, result.output
    assert any(
        "single training image" in warning and "lonely" in warning for warning in json.loads(result.stdout)["warnings"]
    )


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
            if line.startswith("whole"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 1
    assert rest.splitlines()[-1].startswith("error: interrupted; a run that was begun goes on with:")
    assert "Traceback" not in rest
    assert (run / "checkpoints" / "best.safetensors").exists()


def test_sample_then_its_recipe(tmp_path: Path) -> None:
    result = trainer("sample", tmp_path / "digits", "--json")
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    assert written["files"] > 1_797
    assert Path(written["recipe"]).is_file()
    again = trainer("sample", tmp_path / "digits")
    assert again.exit_code == 2
    assert "there already" in failure(again)


def test_help_needs_no_torch() -> None:
    script = (
        "import sys\n"
        "from trainer.cli import main\n"
        "main(['fit', '--help'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "--head-epochs" in process.stdout


def test_classes_of_the_support_module_are_those_of_the_photos(photos: Path) -> None:
    assert sorted(path.name for path in photos.iterdir()) == sorted(COLOURS)
