"""`fit`, `resume`, `open_run`, `lr_find`, and the run that they give."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import fieldguide
from service.bundle import read_bundle
from tests.fieldguide.conftest import FAST
from tests.support.digits import add_near_duplicates, write_digits
from tests.support.photos import write_folder, write_tagged_csv
from tests.support.slim import ROOT

VALID = 7  # a fifth of 36 images


def fit(data: Any, out: Path, **more: Any) -> fieldguide.Run:
    return fieldguide.fit(data, **({"out": out, "cache": out.parent / "cache"} | FAST | more))


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> fieldguide.Run:
    """A copy of the finished run."""
    return fieldguide.open_run(shutil.copytree(home / "run", tmp_path / "run"))


def test_a_run_has_everything_that_came_out_of_it(run: fieldguide.Run, home: Path) -> None:
    assert run.path == home / "run"
    assert run.metrics["images"] == VALID
    assert run.metrics == json.loads((run.bundle / "metrics.json").read_text())["models"]["model.onnx"]["validation"]
    assert run.classes == ("blue", "green", "red")
    assert [epoch.number for epoch in run.history.epochs] == [1, 2]
    assert isinstance(run.findings, list)
    assert (run.recipe.backbone, run.recipe.finetune.lr) == ("tiny", 0.02)
    assert run.report.read_text().startswith("<!doctype html>")
    assert run.unreadable == {}
    assert run.lr_find is None
    assert len(run.catalog.rows) == 36
    assert repr(run).startswith(f"Run({str(run.path)!r}, accuracy ")


def test_predictions_are_a_table_the_highest_loss_first(run: fieldguide.Run) -> None:
    losses = [row.loss for row in run.predictions]
    assert losses == sorted(losses, reverse=True)
    frame = pd.DataFrame(run.predictions)
    assert list(frame.columns)[:4] == ["path", "labels", "predicted", "probability"]
    assert len(frame) == VALID


def test_confusion_agrees_with_the_predictions(run: fieldguide.Run) -> None:
    confusion = run.confusion
    assert confusion.sum() == VALID
    assert np.trace(confusion) == sum(row.correct for row in run.predictions)
    wrong = confusion.sum() - np.trace(confusion)
    assert sum(pair.count for pair in run.most_confused(100)) == wrong
    assert len(run.most_confused(1)) <= 1


def test_top_losses_are_the_first_predictions(run: fieldguide.Run) -> None:
    losses = run.top_losses(4)
    assert list(losses) == list(run.predictions[:4])
    assert losses[0] == run.predictions[0]
    assert len(losses[1:]) == 3
    assert len(run.top_losses(1000)) == VALID


def test_a_finished_run_predicts(run: fieldguide.Run, home: Path) -> None:
    photo = home / "photos" / run.predictions[-1].path
    assert {fieldguide.load(run.bundle).predict(photo).best.label} == run.predictions[-1].predicted


def test_evaluate_on_other_images(copy: fieldguide.Run, tmp_path: Path) -> None:
    others = write_folder(tmp_path / "others", each=3, first=50)
    found = copy.evaluate(others, out=tmp_path / "worst.csv", progress=False)
    assert found.images == 9
    assert set(found.metrics) >= {"accuracy", "loss"}
    with open(tmp_path / "worst.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 9
    with pytest.raises(FileExistsError, match="give another name for `out`"):
        copy.evaluate(others, out=tmp_path / "worst.csv", progress=False)


def test_export_writes_the_bundle_again(copy: fieldguide.Run, home: Path, tmp_path: Path) -> None:
    path = copy.export(
        tmp_path / "bears.zip", name="bears", version="2", cache=home / "cache", root=home / "photos", progress=False
    )
    predictor = fieldguide.load(path)
    assert (predictor.name, predictor.version) == ("bears", "2")
    assert predictor.metrics["validation"] == copy.metrics


def test_calibrate_writes_a_bundle_that_was_fitted_on_other_images(
    copy: fieldguide.Run, home: Path, tmp_path: Path
) -> None:
    others = write_folder(tmp_path / "others", each=20, first=50)
    asked = {"max_error": 0.2, "confidence": 0.9, "cache": home / "cache", "root": home / "photos", "progress": False}
    first = fieldguide.calibrate(copy.path, others, tmp_path / "first.zip", set_level=0.9, **asked)
    second = copy.export(tmp_path / "second", calibration=others, set_level=0.9, **asked)
    spec = read_bundle(first).spec
    assert spec == read_bundle(second).spec
    assert spec.models["model.onnx"].set is not None
    assert spec.models["model.onnx"].set.images == 60
    with pytest.raises(fieldguide.TrainerError, match=r"`confidence` is 2; it must be from 0.5"):
        fieldguide.calibrate(copy.path, others, tmp_path / "third", confidence=2)


def test_a_run_that_was_stopped_is_resumed(copy: fieldguide.Run, home: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy.path / "bundle")
    assert repr(copy) == f"Run({str(copy.path)!r}, not finished)"
    assert copy._repr_html_() is None
    with pytest.raises(fieldguide.TrainerError, match=r"has no bundle yet; continue the run with `resume\("):
        _ = copy.metrics
    resumed = fieldguide.resume(copy.path, root=home / "photos", device="cpu", cache=tmp_path / "c", progress=False)
    assert resumed.path == copy.path
    assert resumed.metrics["images"] == VALID
    with pytest.raises(fieldguide.TrainerError, match="is finished"):
        fieldguide.resume(copy.path, progress=False)


def test_without_out_a_run_has_the_name_of_the_images(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = fieldguide.fit(home / "photos", cache=home / "cache", **(FAST | {"epochs": 1, "progress": True}))
    assert run.path == Path("runs/photos")
    assert "run: runs/photos" in capsys.readouterr().err.splitlines()
    assert run.metrics["images"] == VALID


def test_a_recipe_and_options(home: Path, tmp_path: Path) -> None:
    recipe = fieldguide.Recipe(name="bears", dropout=0.4, head=fieldguide.HeadRecipe(epochs=3))
    run = fit(home / "photos", tmp_path / "run", cache=home / "cache", recipe=recipe, dropout=0.3, lr=(1e-3, 1e-2))
    assert (run.recipe.name, run.recipe.dropout, run.recipe.head.epochs) == ("bears", 0.3, 3)
    assert (run.recipe.finetune.lr, run.recipe.finetune.lr_spread) == (1e-2, pytest.approx(10))
    again = fit(home / "photos", tmp_path / "again", cache=home / "cache", recipe=str(run.path / "recipe.toml"))
    assert (again.recipe.name, again.recipe.dropout, again.recipe.head.epochs) == ("photos", 0.3, 3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batchsize": 8}, TypeError, "there is no option `batchsize`; did you mean `batch_size`"),
        ({"dropout": 2.0}, fieldguide.TrainerError, "`dropout` is 2.0; it must be from 0 to 0.95"),
        ({"epochs": 1.5}, fieldguide.TrainerError, "`epochs` is 1.5; it must be a whole number"),
        ({"device": "tpu"}, fieldguide.TrainerError, "no device tpu"),
        ({"lr": "fast"}, fieldguide.TrainerError, "`lr` is 'fast'"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(
    home: Path, tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(home / "photos", tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("data", [None, 3, ["a.jpg"], pd.DataFrame({"path": ["a.jpg"]})])
def test_what_are_no_images_is_one_line(data: Any) -> None:
    for call in (fieldguide.fit, fieldguide.lr_find, fieldguide.show_batch):
        with pytest.raises(TypeError, match=r"^`data` is a .*; give a folder, a CSV, or a catalog: read_catalog"):
            call(data)


def test_a_recipe_that_is_a_dict(home: Path) -> None:
    with pytest.raises(TypeError, match="`recipe` is a dict; give a Recipe, or the path of a TOML file"):
        fieldguide.fit(home / "photos", recipe={"epochs": 3})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["lr", "patience", "tensorboard", "freeze"])
def test_an_option_that_only_a_training_uses(home: Path, name: str) -> None:
    with pytest.raises(TypeError, match=f"`{name}` matters only to a training"):
        fieldguide.lr_find(home / "photos", **{name: 1})


@pytest.mark.parametrize("threads", [0, -1])
def test_too_few_threads(run: fieldguide.Run, home: Path, threads: int) -> None:
    for call in (lambda: fieldguide.fit(home / "photos", threads=threads), lambda: run.evaluate("x", threads=threads)):
        with pytest.raises(fieldguide.TrainerError, match=f"`threads` is {threads}; it must be at least 1"):
            call()


def test_a_device_may_be_that_of_torch(home: Path, tmp_path: Path) -> None:
    run = fit(home / "photos", tmp_path / "run", cache=home / "cache", device=torch.device("cpu"), epochs=1)
    assert run.metrics["images"] == VALID
    with pytest.raises(fieldguide.TrainerError, match="no device 7"):
        fit(home / "photos", tmp_path / "other", device=7)


def test_numbers_of_numpy_are_numbers(home: Path, tmp_path: Path) -> None:
    options = {
        "epochs": np.int64(1),
        "batch_size": 8.0,
        "dropout": np.float32(0.5),
        "lr": slice(1e-3, np.float64(1e-2)),
    }
    run = fit(home / "photos", tmp_path / "run", cache=home / "cache", **options)
    assert (run.recipe.finetune.epochs, run.recipe.finetune.batch_size, run.recipe.dropout) == (1, 8, 0.5)
    assert run.recipe.finetune.lr_spread == pytest.approx(10)


def test_a_run_is_found_after_the_working_directory_changed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said not to be finished."""
    monkeypatch.chdir(home)
    run = fieldguide.open_run("run")
    monkeypatch.chdir(tmp_path)
    assert run.metrics["images"] == VALID
    assert run.path == Path("run")
    assert repr(run.load()) == "Predictor('photos', version 1, 3 classes)"
    assert run.load().classes == run.classes


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_is_refused(run: fieldguide.Run, home: Path, n: int) -> None:
    for call in (run.most_confused, run.top_losses, lambda n: fieldguide.show_batch(home / "photos", n=n)):
        with pytest.raises(ValueError, match=f"`n` is {n}; it must be at least 1"):
            call(n)


def test_an_export_over_something_is_refused_at_once(run: fieldguide.Run, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="give another name for `out`"):
        run.export(tmp_path, root=tmp_path / "nowhere")


def test_what_reads_long_is_short(run: fieldguide.Run) -> None:
    assert repr(run.catalog).endswith("3 classes, 29 train, 7 valid, 0 test)")
    assert repr(run.history).startswith("TrainingHistory(2 epochs, ")
    prediction = run.load().predict(run.catalog.file_of(run.catalog.rows[0]))
    assert repr(prediction.ranked).startswith("Ranking('blue' 0.")
    assert prediction.label == "blue"


def test_an_existing_folder_is_left_as_it_is(home: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="nothing is overwritten; give another name for `out`"):
        fit(home / "photos", tmp_path)
    assert list(tmp_path.iterdir()) == [] or [path.name for path in tmp_path.iterdir()] == ["cache"]


class TestCatalogs:
    """Images and labels that a notebook has in lists."""

    def lists(self, photos: Path) -> tuple[list[Path], list[str]]:
        paths = sorted(photos.rglob("*.jpg"))
        return paths, [path.parent.name for path in paths]

    def test_lists_give_the_catalog_of_the_folder(self, home: Path) -> None:
        paths, labels = self.lists(home / "photos")
        listed = fieldguide.read_catalog(paths=paths, labels=labels)
        folder = fieldguide.read_catalog(home / "photos")
        assert listed.rows == folder.rows
        assert listed.root == folder.root

    def test_a_fit_on_lists_can_be_resumed_evaluated_and_reported(self, home: Path, tmp_path: Path) -> None:
        paths, labels = self.lists(write_folder(tmp_path / "photos"))
        splits = ["valid" if number % 4 == 0 else "train" for number in range(len(paths))]
        catalog = fieldguide.read_catalog(paths=[*map(str, paths)], labels=labels, splits=splits)
        run = fit(catalog, tmp_path / "run")
        assert run.recipe.name == "photos"
        assert run.metrics["images"] == 9
        shutil.rmtree(run.path / "bundle")
        run = fieldguide.resume(run.path, device="cpu", cache=tmp_path / "cache", progress=False)
        assert run.metrics["images"] == 9
        assert run.evaluate(write_folder(tmp_path / "new", each=2, first=70), progress=False).images == 6
        assert run._repr_html_()

    def test_several_labels_for_each_image(self, home: Path, tmp_path: Path) -> None:
        paths, labels = self.lists(home / "photos")
        tags = [[label, "cold;wet"] if label != "red" else [label] for label in labels]
        run = fit(fieldguide.read_catalog(paths=paths, labels=tags), tmp_path / "run", cache=home / "cache")
        assert run.catalog.task == "multilabel"
        assert run.classes == ("blue", "cold;wet", "green", "red")
        with pytest.raises(ValueError, match="no confusion matrix"):
            _ = run.confusion
        assert "micro_f1" in run.metrics

    def test_a_csv(self, tmp_path: Path) -> None:
        table = write_tagged_csv(tmp_path / "tags")
        catalog = fieldguide.read_catalog(table, label_column="tags", label_delimiter=";")
        assert catalog.task == "multilabel"

    def test_functions_give_labels_and_splits(self, tmp_path: Path) -> None:
        photos = write_folder(tmp_path / "photos", each=6)
        catalog = fieldguide.read_catalog(
            photos,
            label=lambda path: "warm" if path.parent.name == "red" else "cool",
            split=lambda path: "valid" if path.stem == "000" else "test" if path.stem == "001" else "train",
        )
        assert catalog.summary == (
            f"{photos}: 18 images of 2 classes: 12 train, 3 validation, 3 test; most images: cool 12, fewest: warm 6; "
            "labels: a function, blue/000.jpg -> cool, red/000.jpg -> warm, blue/001.jpg -> cool"
        )
        run = fit(catalog, tmp_path / "run")
        assert run.summary == catalog.summary
        assert run.evaluate(progress=False).summary.startswith(f"{photos}: 3 images of 2 classes: 0 train")

    def test_other_images_are_evaluated_as_a_catalog_was_read(self, tmp_path: Path) -> None:
        """The pattern of the catalog was forgotten: a flat folder of test images could not be read."""
        for name, first in (("photos", 0), ("others", 6)):
            for path in sorted(write_folder(tmp_path / name, each=6, first=first).rglob("*.jpg")):
                path.rename(tmp_path / name / f"{path.parent.name}_{path.name}")
        run = fit(fieldguide.read_catalog(tmp_path / "photos", pattern="/([a-z]+)_[0-9]+"), tmp_path / "run")
        assert run.evaluate(tmp_path / "others", progress=False).images == 18

    def test_a_catalog_of_which_nothing_is_held_out(self, tmp_path: Path) -> None:
        photos = write_folder(tmp_path / "photos", each=6)
        catalog = fieldguide.read_catalog(photos, split="none")
        run = fit(catalog, tmp_path / "run")
        assert run.summary == catalog.summary
        assert run.metrics == {}
        assert len(run.catalog.split("train")) == 18

    def test_near_duplicates_of_a_catalog_stay_together(self, tmp_path: Path) -> None:
        digits = add_near_duplicates(write_digits(tmp_path / "digits", dict.fromkeys(range(4), 6)))
        run = fit(fieldguide.read_catalog(digits, group_by="similar"), tmp_path / "run")
        splits = {(Path(row.path).stem.split("-")[0], row.split) for row in run.catalog.rows}
        assert len(splits) <= 26  # 24 scans, each with its copies; some of the copies may be missed

    def test_how_a_folder_is_read(self, tmp_path: Path) -> None:
        photos = write_folder(tmp_path / "photos", each=6)
        for options in ({"class_level": 1}, {"pattern": "/([a-z]+)/"}, {"split": "random"}, {"merge_labels": True}):
            assert fieldguide.read_catalog(photos, **options).classes == ("blue", "green", "red")
        (tmp_path / "valid.txt").write_text("red/003.jpg")
        listed = fieldguide.read_catalog(photos, valid_list=tmp_path / "valid.txt")
        assert [row.path for row in listed.split("valid")] == ["red/003.jpg"]
        grouped = fieldguide.read_catalog(photos, group_by="/[a-z]+/00([0-9])")
        assert {row.path[-5] for row in grouped.split("valid")}.isdisjoint(
            row.path[-5] for row in grouped.split("train")
        )
        with pytest.raises(fieldguide.TrainerError, match="`label` both say what the label of an image is"):
            fieldguide.read_catalog(photos, class_level=1, label=str)

    @pytest.mark.parametrize("given", [{}, {"data": "x", "paths": [], "labels": []}, {"paths": []}, {"labels": []}])
    def test_what_does_not_say_which_images(self, given: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match="give `data`, or `paths` and `labels`"):
            fieldguide.read_catalog(**given)

    @pytest.mark.parametrize(
        ("given", "name"),
        [
            *(({"valid": "x"}, "valid"), ({"root": "x"}, "root"), ({"label_column": "x"}, "label_column")),
            *(({"label": str}, "label"), ({"split": str}, "split"), ({"group_by": "x"}, "group_by")),
        ],
    )
    def test_what_is_only_for_a_folder_or_csv(self, home: Path, given: dict[str, Any], name: str) -> None:
        """Who gave `valid` got validation images that were drawn at random."""
        paths, labels = self.lists(home / "photos")
        with pytest.raises(TypeError, match=f"`{name}` is for a folder or CSV"):
            fieldguide.read_catalog(paths=paths, labels=labels, **given)
        with pytest.raises(TypeError, match="`splits` is for `paths`"):
            fieldguide.read_catalog(home / "photos", splits=["train"] * 36)

    @pytest.mark.parametrize("out", ["photos/run", None])
    def test_a_run_among_the_images_of_its_catalog(
        self, tmp_path: Path, out: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its golden images became a class of the next training."""
        photos = write_folder(tmp_path / "photos")
        catalog = fieldguide.read_catalog(photos)
        monkeypatch.chdir(photos if out is None else tmp_path)
        with pytest.raises(fieldguide.TrainerError, match="among the images; give a"):
            fieldguide.fit(catalog, out=out, **FAST)
        assert fieldguide.read_catalog(photos).classes == ("blue", "green", "red")

    def test_a_run_beside_images_in_lists(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        paths, labels = self.lists(write_folder(tmp_path / "photos"))
        monkeypatch.chdir(tmp_path / "photos")
        catalog = fieldguide.read_catalog(paths=paths, labels=labels)
        assert fieldguide.fit(catalog, cache=tmp_path / "cache", **FAST).path == Path("runs/photos")

    def test_an_interrupt_before_the_images_are_read_leaves_no_run(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run stayed behind that nothing could continue."""
        catalog = fieldguide.read_catalog(home / "photos")

        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("trainer.run.fit.prepare_images", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(catalog, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("option", ["valid", "root", "label_column", "valid_fraction"])
    def test_an_option_that_the_catalog_has_answered(self, home: Path, tmp_path: Path, option: str) -> None:
        catalog = fieldguide.read_catalog(home / "photos")
        for call in (fieldguide.fit, fieldguide.lr_find, fieldguide.show_batch):
            with pytest.raises(TypeError, match=f"`{option}` says how images are read; give it to read_catalog"):
                call(catalog, **{option: "x"})

    def test_a_fit_on_lists_that_was_stopped_before_its_images_were_read(self, home: Path, tmp_path: Path) -> None:
        paths, labels = self.lists(home / "photos")
        run = fit(fieldguide.read_catalog(paths=paths, labels=labels), tmp_path / "run", cache=home / "cache")
        for path in run.path.iterdir():
            if path.name != "recipe.toml":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with pytest.raises(fieldguide.TrainerError, match="stopped before its images were read; remove it"):
            fieldguide.resume(run.path, progress=False)


def test_lr_find_suggests_a_learning_rate(home: Path, tmp_path: Path) -> None:
    options = {key: value for key, value in FAST.items() if key != "lr"}
    found = fieldguide.lr_find(home / "photos", out=tmp_path / "found", cache=home / "cache", **options)
    assert found.finetune is not None
    assert found.suggestion == found.finetune.suggestion > 0
    assert "sweeps of" in repr(found)
    assert {path.name for path in (tmp_path / "found").iterdir()} == {"lr_find.json", "lr_find.png"}
    catalog = fieldguide.read_catalog(home / "photos")
    assert fieldguide.lr_find(catalog, cache=home / "cache", **options).finetune is not None


def test_show_batch_shows_augmented_training_images(home: Path) -> None:
    batch = fieldguide.show_batch(home / "photos", n=5, backbone="tiny")
    assert batch.images.shape == (5, 32, 32, 3)
    assert batch.images.dtype == np.uint8
    assert {labels[0] for labels in batch.labels[:3]} == {"blue", "green", "red"}
    assert repr(batch) == "Batch(5 images of 32 x 32 pixels)"
    other = fieldguide.show_batch(home / "photos", n=5, backbone="tiny", seed=1)
    assert other.paths != batch.paths
    catalog = fieldguide.read_catalog(home / "photos")
    assert fieldguide.show_batch(catalog, n=100, backbone="tiny").images.shape[0] == 36 - VALID


def test_show_batch_of_one_image_or_class_is_saved_where_nothing_is(home: Path, tmp_path: Path) -> None:
    batch = fieldguide.show_batch(home / "photos", n=3, class_name="red", backbone="tiny")
    assert set(batch.labels) == {("red",)}
    assert batch.save(tmp_path / "red.html").read_text(encoding="utf-8").count("<figure>") == 3 + 2  # 2 are held out
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        batch.save(tmp_path / "red.html")
    with pytest.raises(fieldguide.TrainerError, match="among the images"):
        batch.save(home / "photos" / "red.html")
    grown = fieldguide.show_batch(
        home / "photos", image=home / "photos" / "red" / "000.jpg", backbone="tiny", sizes="16:3,32:6"
    )
    assert [image.shape[0] for image in grown.images] == [16] * 3 + [32] * 6
    assert repr(grown) == "Batch(9 images of 16 x 16, 32 x 32 pixels)"
    with pytest.raises(fieldguide.TrainerError, match="leave out one of them"):
        fieldguide.show_batch(home / "photos", image="red/000.jpg", class_name="red", backbone="tiny")


def test_show_batch_of_images_that_cannot_be_decoded(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos")
    for path in photos.rglob("*.jpg"):
        path.write_text(f"broken {path}")
    with pytest.raises(fieldguide.TrainerError, match="none of the training images can be decoded"):
        fieldguide.show_batch(photos, backbone="tiny")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(fieldguide.TrainerError, match=r"is not a run: it has no recipe\.toml"):
        fieldguide.open_run(tmp_path)


def test_a_script_under_torchrun_trains_in_all_processes(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import fieldguide\n"
        f"run = fieldguide.fit({str(home / 'photos')!r}, cache={str(tmp_path / 'cache')!r}, backbone='tiny',\n"
        "    epochs=1, batch_size=8, device='cpu')\n"
        "import os\n"
        "os.write(1, f\"{run.path} {run.metrics['images']}\\n\".encode())  # in one piece: two processes write\n"
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, str(script)], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"runs/photos {VALID}"] * 2
