"""Real training runs, started on the command line, that provoke each finding; a sound run provokes none."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support.digits import add_near_duplicates, write_digits
from tests.support.photos import write_folder, write_tagged_csv
from tests.support.trainer import trainer

ALL = range(10)
# No regularisation: the model can memorise the labels of the images.
MEMORISE = """
dropout = 0.0
label_smoothing = 0.0
[finetune]
ema_decay = 0.9
[augmentation]
flip = 0.0
rotation_degrees = 0.0
scale_min = 1.0
aspect_max = 1.0
lighting = 0.0
p_affine = 0.0
"""
UPRIGHT = "[augmentation]\nflip = 0.0\nscale_min = 0.7\n"

Fit = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's data and runs are."""
    return tmp_path_factory.mktemp("diagnosis")


@pytest.fixture(scope="module")
def fit(folder: Path) -> Fit:
    """Fit RUN on some data; returns the findings by name, as RUN/diagnosis.json has them."""

    def run(name: str, data: Path, *options: str | Path, recipe: str = UPRIGHT) -> dict[str, Any]:
        (folder / f"{name}.toml").write_text(recipe)
        result = trainer(
            "fit", data, "--out", folder / name, "--cache", folder / "cache", "--recipe", folder / f"{name}.toml",
            "--backbone", "tiny", "--device", "cpu", "--json", *options,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        diagnosis = json.loads((folder / name / "diagnosis.json").read_text())
        assert json.loads(result.stdout)["diagnosis"] == diagnosis
        assert all(
            set(finding) == {"name", "confidence", "summary", "evidence", "try"} for finding in diagnosis["findings"]
        )
        return {finding["name"]: finding for finding in diagnosis["findings"]}

    return run


@pytest.fixture(scope="module")
def digits(folder: Path) -> Path:
    """Thirty scans of each digit to learn from, and fifteen to validate on."""
    write_digits(folder / "digits" / "train", dict.fromkeys(ALL, 30))
    write_digits(folder / "digits" / "valid", dict.fromkeys(ALL, 15), first=30)
    return folder / "digits"


@pytest.fixture(scope="module")
def slow(digits: Path, fit: Fit) -> dict[str, Any]:
    """A learning rate that is far too low."""
    return fit("slow", digits, "--epochs", "3", "--lr", "1e-5", recipe=MEMORISE)


@pytest.fixture(scope="module")
def few(digits: Path, fit: Fit) -> dict[str, Any]:
    """A good learning rate, but too few epochs."""
    return fit("few", digits, "--epochs", "3", "--lr", "0.01", recipe=MEMORISE)


def again(command: str, cache: Path, *options: str | Path) -> Result:
    """Run the command of a finding, with another cache and on the CPU."""
    program, *arguments = shlex.split(command)
    assert program == "fieldguide"
    return trainer(*arguments, "--cache", cache, "--device", "cpu", *options)


def test_in_a_sound_run_nothing_stands_out(folder: Path, fit: Fit) -> None:
    photos = write_folder(folder / "photos", each=70)
    assert fit("sound", photos, "--epochs", "5", "--lr", "0.02") == {}


def test_training_loss_under_validation_loss_is_never_called_overfitting(folder: Path, digits: Path, fit: Fit) -> None:
    """It is normal: the model knows the training images better."""
    findings = fit("memorised", digits, "--epochs", "14", "--lr", "0.03", recipe=MEMORISE)
    lines = (folder / "memorised" / "history.jsonl").read_text().splitlines()
    last = [event for event in map(json.loads, lines) if event["event"] == "epoch"][-1]
    assert last["train"]["loss"] < last["valid"]["loss"] / 3
    assert findings == {}


def test_a_validation_error_that_gets_worse_for_long_is_overfitting(folder: Path, fit: Fit) -> None:
    """Two fifths of the labels are wrong: at first the model does not follow them, then it memorises them."""
    data = folder / "wrong"
    write_digits(data / "train", dict.fromkeys(ALL, 20), wrong=0.4)
    write_digits(data / "valid", dict.fromkeys(ALL, 25), first=20)
    findings = fit("many", data, "--epochs", "25", "--lr", "0.02", "--batch-size", "16", recipe=MEMORISE)
    found = findings["too-many-epochs"]
    assert found["evidence"]["final_valid_error"] > found["evidence"]["lowest_valid_error"] + 0.03
    assert f"--epochs {found['evidence']['kept_epoch']} " in found["try"]
    assert not {"lr-too-high", "lr-too-low", "too-few-epochs", "prediction-collapse"} & set(findings)


@pytest.fixture(scope="module")
def high(digits: Path, fit: Fit) -> dict[str, Any]:
    """A learning rate that is far too high."""
    return fit("high", digits, "--epochs", "3", "--lr", "3")


def test_too_high_a_learning_rate(high: dict[str, Any]) -> None:
    found = high["lr-too-high"]
    assert found["confidence"] == "high"
    assert found["evidence"]["max_lr"] == pytest.approx(3, rel=0.1)
    assert found["evidence"]["step_loss_after"] > found["evidence"]["step_loss_before"]
    assert "--lr 0.3 " in found["try"]
    assert not {"lr-too-low", "too-few-epochs", "too-many-epochs", "noisy-labels"} & set(high)


def test_too_low_a_learning_rate_and_too_few_epochs_look_the_same(slow: dict[str, Any], few: dict[str, Any]) -> None:
    for findings in (slow, few):
        assert {"lr-too-low", "too-few-epochs"} <= set(findings)
        assert not {"lr-too-high", "too-many-epochs", "noisy-labels", "near-duplicates"} & set(findings)
        for name in ("lr-too-low", "too-few-epochs"):
            assert findings[name]["confidence"] == "low"
            assert "only the learning rate finder can tell which" in findings[name]["summary"]
    assert "--epochs 9 " in few["too-few-epochs"]["try"]


def test_the_lr_finder_distinguishes_too_low_a_learning_rate_from_too_few_epochs(
    folder: Path, slow: dict[str, Any], few: dict[str, Any]
) -> None:
    for run in ("slow", "few"):
        shutil.rmtree(folder / run / "bundle")
    swept = again(slow["lr-too-low"]["try"], folder / "cache", "--out", folder / "slow")
    assert swept.exit_code == 0, swept.output
    shutil.copy(folder / "slow" / "lr_find.json", folder / "few")
    resume = ("--cache", folder / "cache", "--device", "cpu")
    found = json.loads(trainer("resume", folder / "slow", *resume, "--json").stdout)["diagnosis"]["findings"]
    slow_findings = {finding["name"]: finding for finding in found}
    assert slow_findings["lr-too-low"]["confidence"] == "high"
    assert slow_findings["lr-too-low"]["evidence"]["lowest_suggested_lr"] > 1e-4
    assert "too-few-epochs" not in slow_findings
    lines = trainer("resume", folder / "few", *resume).stdout.split("diagnosis:\n")[1].splitlines()
    assert lines[0].startswith(
        "  too-few-epochs (confidence: medium): Learning had not finished after 3 epochs: they were "
    )
    assert lines[1].startswith("    try: fieldguide fit ")
    assert not [line for line in lines if "lr-too-low" in line]


def test_a_model_that_never_predicts_the_rare_classes_has_collapsed(folder: Path, fit: Fit) -> None:
    data = write_digits(folder / "unequal", {0: 150, **dict.fromkeys(range(1, 6), 6)})
    found = fit("collapsed", data, "--epochs", "3", "--lr", "0.01")
    assert found["prediction-collapse"]["evidence"]["favoured_classes"] == ["0"]
    assert "--balance sampler " in found["prediction-collapse"]["try"]
    assert "noisy-labels" not in found


def test_a_class_that_is_not_measured_and_images_that_are_too_few(folder: Path, fit: Fit) -> None:
    data = folder / "given"
    write_folder(data / "train", each=12)
    shutil.rmtree(write_folder(data / "valid", each=5, first=50) / "red")
    findings = fit("given-run", data, "--epochs", "5", "--lr", "0.02", "--batch-size", "8")
    assert findings["class-missing"]["evidence"]["missing"] == ["red"]
    assert findings["class-missing"]["try"] == ""  # the same images would give it again
    few = findings["few-validation-images"]
    assert few["evidence"]["images"] == 10
    low, high = few["evidence"]["interval"]
    assert low < few["evidence"]["correct"] / 10 <= high + 1e-9
    assert f"from {100 * low:.0f} to {100 * high:.0f} %" in few["summary"]


def test_a_class_without_a_training_image_that_can_be_decoded(folder: Path, fit: Fit) -> None:
    photos = write_folder(folder / "broken", each=10)
    (photos / "black").mkdir()
    (photos / "black" / "0.jpg").write_bytes(b"no image")
    found = fit("broken-run", photos, "--epochs", "1")["class-missing"]
    assert found["evidence"]["missing"] == ["black"]
    assert found["summary"].startswith("1 of 4 classes has no training image that can be decoded")


def test_a_run_is_resumed_in_its_own_folder(folder: Path, fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the next run, in the commands of the findings, comes from the name of this one."""
    fit("own", write_folder(folder / "few-photos", each=10), "--epochs", "1")
    shutil.rmtree(folder / "own" / "bundle")
    monkeypatch.chdir(folder / "own")
    result = trainer("resume", ".", "--cache", folder / "cache", "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    tried = [finding["try"] for finding in json.loads(result.stdout)["diagnosis"]["findings"]]
    assert tried
    assert all(shlex.split(command)[-1] == str(folder.resolve() / "own-2") for command in tried)


def test_near_duplicates_and_a_split_that_keeps_them_together(folder: Path, fit: Fit) -> None:
    data = add_near_duplicates(write_digits(folder / "alike", dict.fromkeys(ALL, 8)))
    found = fit("leaking", data, "--epochs", "1")["near-duplicates"]
    assert found["evidence"]["fraction"] > 0.15
    assert all(pair.split(" = ")[0][:6] == pair.split(" = ")[1][:6] for pair in found["evidence"]["pairs"][:5])
    result = again(found["try"], folder / "cache", "--epochs", "1", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert "near-duplicates" not in {finding["name"] for finding in summary["diagnosis"]["findings"]}
    assert summary["validation"]["images"] == pytest.approx(64, abs=16)


def test_wrong_labels_in_both_splits(folder: Path, fit: Fit) -> None:
    photos = write_folder(folder / "strayed", each=70)
    for label, other in (("blue", "green"), ("green", "red"), ("red", "blue")):
        for number in range(0, 70, 6):
            (photos / label / f"{number:03}.jpg").rename(photos / other / f"{label}-{number:03}.jpg")
    findings = fit("noisy", photos, "--epochs", "6", "--lr", "0.02")
    found = findings["noisy-labels"]["evidence"]
    assert found["validation_suspects"] + found["training_suspects"] >= 8
    for line in found["worst"]:
        path, _, description = line.partition(": ")
        assert f"looks like '{Path(path).stem.split('-')[0]}'" in description
    assert not {"lr-too-high", "too-many-epochs", "lr-too-low", "too-few-epochs"} & set(findings)


def test_rules_for_classification_are_left_out_of_multilabel_runs(folder: Path, fit: Fit) -> None:
    table = write_tagged_csv(folder / "tagged", images=48)
    findings = fit("tags", table, "--label-column", "tags", "--label-delimiter", ";", "--epochs", "2")
    assert set(findings) <= {"lr-too-low", "too-few-epochs", "near-duplicates", "few-validation-images"}
    assert "few-validation-images" in findings


def test_near_duplicates_are_found_among_few_images_too(folder: Path, fit: Fit) -> None:
    """16 pictures are drawn three times each, with different noise."""
    table = write_tagged_csv(folder / "drawn-thrice", images=48)
    options = ("--label-column", "tags", "--label-delimiter", ";", "--epochs", "1")
    found = fit("thrice", table, *options)["near-duplicates"]["evidence"]
    assert found["fraction"] > 0.3
    for pair in found["pairs"]:
        one, other = (int(Path(name).stem) % 16 for name in pair.split(" = "))
        assert one == other
