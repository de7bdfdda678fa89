"""The benchmarks of training at their smallest: a tiny network, coloured stripes, no fastai."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks import ablation, folds, step_rate, train_vs_fastai
from tests.benchmarks.training.evaluator import fraction_correct
from tests.benchmarks.training.results import Results
from tests.benchmarks.training.tables import evenly_spaced, some_classes, write_rows
from tests.support.photos import COLOURS, write_folder

Call = Callable[..., str]
TINY = ("--set", "backbone=tiny", "finetune.batch_size=4", "finetune.epochs=1")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call a benchmark on 15 images to train on and 3 to evaluate on; returns its output."""
    root = write_folder(tmp_path / "photos", each=6)
    warm = {"red": "warm", "green": "cold", "blue": "cold"}
    rows = [
        {"path": f"{label}/{number:03}.jpg", "label": label, "kind": warm[label]}
        for label in COLOURS
        for number in range(6)
    ]
    train = write_rows(tmp_path / "train.csv", [row for row in rows if "005" not in row["path"]])
    valid = write_rows(tmp_path / "valid.csv", [row for row in rows if "005" in row["path"]])

    def run(main: Callable[[], None], *arguments: str, before_valid: tuple[str, ...] = ()) -> str:
        fixed = [str(train), *before_valid, str(valid), "--root", str(root), "--work", str(tmp_path / "work")]
        monkeypatch.setattr(sys, "argv", ["benchmark", *fixed, *arguments, *TINY])
        main()
        return capsys.readouterr().out

    return run


def test_ablation_compares_recipes_on_the_same_images(call: Call, tmp_path: Path) -> None:
    arguments = ["--coarse-column", "kind", "--try", "finetune.epochs=1"]
    output = call(ablation.main, *arguments, before_valid=("--valid",))
    none, changed = output.splitlines()[-2:]
    assert none.startswith("| none | ")
    assert changed.startswith("| `finetune.epochs=1` | ")
    assert changed.count("+0.0 ± 0.0") == 2  # the same recipe: one fit, equal in classes and in coarse labels
    results = (tmp_path / "work" / "results.jsonl").read_text()
    assert len(results.splitlines()) == 2  # the near duplicates, and the fit
    ((key, fit),) = Results(tmp_path / "work" / "results.jsonl").matching({"device": "cpu"})
    assert {"machine", "code"} <= key.keys()
    accuracies = [accuracy for _, accuracy in fit["epochs"]]
    assert fraction_correct(fit["correct"]) == pytest.approx(accuracies[-1])
    assert fraction_correct(fit["best"]["correct"]) == pytest.approx(max(accuracies))
    assert len(fit["groups"]) == len(fit["correct"]) == 3
    assert call(ablation.main, *arguments, before_valid=("--valid",)) == output
    assert (tmp_path / "work" / "results.jsonl").read_text() == results
    assert {path.name for path in (tmp_path / "work").iterdir()} == {
        "cache", "recipes", "results.jsonl", "train.csv", "valid.csv",
    }  # fmt: skip


def test_the_time_of_every_epoch_of_a_fit_is_measured(call: Call, tmp_path: Path) -> None:
    output = call(train_vs_fastai.main, "--only", "trainer")
    assert "images decoded within the measured time" in output
    assert "after the last epoch" in output
    assert "after the head stage" not in output  # the tiny network has no pretrained body
    path = tmp_path / "work" / "results.jsonl"
    ((key, values),) = Results(path).matching({})
    Results(path).once(key | {"code": "another"}, lambda: values)
    assert call(train_vs_fastai.main, "--only", "trainer") == output  # results of other source code are not printed


def test_the_step_rate_is_a_ratio_of_two_loops(call: Call) -> None:
    output = call(step_rate.main, "--rounds", "1", "--images", "20")
    assert "2 x 15 images a round; trainer: 4 a step, float32\n" in output
    assert "| real / synthetic | " in output


def test_the_goal_against_fastai_is_for_a_gpu() -> None:
    rounds = [{"real": real, "synthetic": 100.0, "fastai": 40.0} for real in (50.0, 95.0, 97.0)]
    assert "| real / synthetic | 0.950 | at least 0.9 |" in step_rate.report(rounds, on_gpu=False)
    assert "| real / fastai | 2.375 |  |" in step_rate.report(rounds, on_gpu=False)
    assert "| real / fastai | 2.375 | at least 3: missed |" in step_rate.report(rounds, on_gpu=True)


def test_folds_are_reported_one_by_one_and_together() -> None:
    best = {"correct": "1111", "coarse_correct": "1111"}
    measured = [
        {"correct": "1110", "coarse_correct": "1111", "best": best, "groups": [*"0012"], "seconds": 60.4},
        {
            "correct": "10",
            "coarse_correct": "10",
            "best": {**best, "correct": "10"},
            "groups": [*"34"],
            "seconds": 50.0,
        },
    ]
    assert folds.report(measured, left_out=1234).splitlines()[2:] == [
        "| 0 | 4 | 75.0 % | 100.0 % | 100.0 % | 100.0 % | 60 |",
        "| 1 | 2 | 50.0 % | 50.0 % | 50.0 % | 100.0 % | 50 |",
        "| all evaluated | 6 | 66.7 % ± 23.2 | 83.3 % ± 17.6 | 83.3 % | 100.0 % |  |",
        "",
        "±: standard error over 5 groups of near duplicates",
        "1,234 images are in no fold: all images of their class are near duplicates, so they are always trained on",
    ]
    assert "no fold" not in folds.report(measured, left_out=0)


def test_few_rows_are_chosen_from_the_whole_table() -> None:
    rows = [{"label": str(number)} for number in range(10)]
    assert [row["label"] for row in evenly_spaced(rows, 5)] == ["0", "2", "4", "6", "8"]
    assert evenly_spaced(rows, 20) == rows


def test_some_classes_are_those_of_whole_coarse_labels() -> None:
    rows = [{"label": str(number), "coarse": str(number // 3)} for number in range(12)]
    chosen = some_classes(rows, 4, coarse_column="coarse")
    coarse_labels = {row["coarse"] for row in chosen}
    assert len(coarse_labels) == 2
    assert chosen == [row for row in rows if row["coarse"] in coarse_labels]


def test_a_difference_is_that_of_the_same_images() -> None:
    mean, error = ablation.paired_difference("1111", "1100", "abcd")
    assert mean == 0.5
    assert error == pytest.approx((1 / 3) ** 0.5 / 2)
    assert ablation.paired_difference("1010", "1010", "abcd") == (0, 0)
    assert ablation.paired_difference("1111", "1100", "aabb")[1] == pytest.approx(0.5)
