from __future__ import annotations

from tests.benchmarks.training.fastai_comparison import accuracy_after, compare, report, seconds_to

OURS = [
    {"seconds": 30.0, "accuracy": 0.75, "stage": "head"},
    {"seconds": 90.0, "accuracy": 0.7, "stage": "finetune"},
    {"seconds": 150.0, "accuracy": 0.85, "stage": "finetune"},
]


def fastai(epochs: int, *ends: tuple[float, float], device: str = "cpu") -> tuple[dict[str, object], dict[str, object]]:
    key = {"part": "fastai", "device": device, "epochs": epochs, "lr": 2e-3, "fp16": False, "batch_size": 64}
    return key, {"epochs": [{"seconds": at, "accuracy": accuracy} for at, accuracy in ends], "versions": "fastai 2.8"}


def test_the_first_epoch_that_was_as_good_counts() -> None:
    assert seconds_to(0.7, OURS) == 30
    assert seconds_to(0.76, OURS) == 150
    assert seconds_to(0.9, OURS) is None


def test_an_equal_accuracy_counts_although_fastai_rounds_to_32_bits() -> None:
    epochs = [{"seconds": 30.0, "accuracy": 144 / 296}]
    assert seconds_to(0.4864864945411682, epochs) == 30  # float32 of 144 / 296
    assert seconds_to(145 / 296, epochs) is None


def test_after_the_same_time_the_last_epoch_counts_and_not_the_best() -> None:
    assert accuracy_after(149, OURS) == 0.7
    assert accuracy_after(1000, OURS) == 0.85
    assert accuracy_after(29, OURS) is None


def test_goals_that_are_met_or_missed() -> None:
    row = compare(OURS, *fastai(3, (300, 0.4), (600, 0.55)))
    assert (row["fraction"], row["fraction_goal"]) == ("1/20.0", "1/20")
    assert (row["same_time"], row["points"], row["points_goal"]) == ("85.0 %", "+30.0", "20")
    row = compare(OURS, *fastai(10, (145, 0.8)))
    assert (row["reached"], row["fraction_goal"]) == ("150 s", "1/5: missed")
    assert (row["points"], row["points_goal"]) == ("-10.0", "5: missed")


def test_an_accuracy_that_is_never_reached_is_a_missed_goal() -> None:
    row = compare(OURS, *fastai(3, (20, 0.9)))
    assert (row["reached"], row["fraction"], row["fraction_goal"]) == ("never", "", "1/20: missed")
    assert (row["same_time"], row["points"], row["points_goal"]) == ("nothing yet", "", "20: missed")


def test_the_goals_are_for_a_cpu() -> None:
    row = compare(OURS, *fastai(3, (600, 0.55), device="cuda"))
    assert row["fraction"] == "1/20.0"
    assert "fraction_goal" not in row


def test_every_part_of_fastai_is_compared_with_every_fit() -> None:
    fit = {"epochs": OURS, "seconds": 170.0, "exported_accuracy": 0.85, "versions": "torch 2", "changes": {}}
    keys = [{"part": "trainer", "decoded_before": before} for before in (False, True)]
    parts = [(key, fit) for key in keys] + [fastai(3, (600, 0.55)), fastai(10, (1800, 0.7))]
    text = report(parts)
    assert text.count("75.0 % after the head stage (30 s)") == 2
    assert text.count("`fine_tune(3, 0.002)`") == text.count("`fine_tune(10, 0.002)`") == 2
