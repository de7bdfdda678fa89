"""Two trainings compared: when one was as good as the other at its end, and how good it was after the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.training.results import Values, markdown, percent

Epochs = Sequence[Mapping[str, Any]]

# On a CPU. fastai's epochs -> (fraction of its time after which the trainer is to be as good, points better after the
# same time)
GOALS = {3: (1 / 20, 20.0), 10: (1 / 5, 5.0)}
# fastai's accuracy is a float32: 144 of 296 comes back as a little more than 144 / 296.
_ROUNDING = 1e-6
_COLUMNS = {
    "fastai": "fastai",
    "accuracy": "ends at",
    "seconds": "after",
    "reached": "trainer as good after",
    "fraction": "fraction of that time",
    "fraction_goal": "goal",
    "same_time": "trainer after the same time",
    "points": "points better",
    "points_goal": "goal",
}


def seconds_to(accuracy: float, epochs: Epochs) -> float | None:
    """Return when the first epoch that was as good ended, even if later ones were worse; None if none was."""
    return next((float(epoch["seconds"]) for epoch in epochs if epoch["accuracy"] >= accuracy - _ROUNDING), None)


def accuracy_after(seconds: float, epochs: Epochs) -> float | None:
    """Return the accuracy of the last epoch that had ended by then, even if it is not the best; None if none had."""
    ended = [float(epoch["accuracy"]) for epoch in epochs if epoch["seconds"] <= seconds]
    return ended[-1] if ended else None


def report(parts: Sequence[tuple[Values, Values]]) -> str:
    """Format the parts that `train_vs_fastai` measured, (key, values) each: a table for each part `trainer`."""
    theirs = [(key, values) for key, values in parts if key["part"] == "fastai"]
    lines = [f"fastai: {installed}" for installed in sorted({values["versions"] for _, values in theirs})]
    for key, values in parts:
        if key["part"] == "trainer":
            lines += ["", _described(key, values), ""]
            lines += [markdown(_COLUMNS, [compare(values["epochs"], *part) for part in theirs])] if theirs else []
    return "\n".join(lines)


def compare(ours: Epochs, key: Values, values: Values) -> dict[str, object]:
    """Make a row: one part `fastai` against the epochs of `trainer fit`."""
    end = values["epochs"][-1]
    accuracy, seconds = float(end["accuracy"]), float(end["seconds"])
    reached, same_time = seconds_to(accuracy, ours), accuracy_after(seconds, ours)
    fraction = None if reached is None else reached / seconds
    points = None if same_time is None else 100 * (same_time - accuracy)
    name = f"`fine_tune({key['epochs']}, {key['lr']:g})`, batches of {key['batch_size']}"
    row: dict[str, object] = {
        "fastai": name + (", fp16" if key["fp16"] else ""),
        "accuracy": percent(accuracy),
        "seconds": f"{seconds:.0f} s",
        "reached": "never" if reached is None else f"{reached:.0f} s",
        "fraction": "" if fraction is None else f"1/{1 / fraction:.1f}",
        "same_time": "nothing yet" if same_time is None else percent(same_time),
        "points": "" if points is None else f"{points:+.1f}",
    }
    if key["device"] == "cpu" and key["epochs"] in GOALS:
        max_fraction, least_points = GOALS[key["epochs"]]
        row["fraction_goal"] = f"1/{1 / max_fraction:.0f}" + _missed(fraction is not None and fraction <= max_fraction)
        row["points_goal"] = f"{least_points:.0f}" + _missed(points is not None and points >= least_points)
    return row


def _missed(met: bool) -> str:
    return "" if met else ": missed"


def _described(key: Values, values: Values) -> str:
    head = next((epoch for epoch in values["epochs"] if epoch["stage"] == "head"), None)
    end = values["epochs"][-1]
    parts = [f"`trainer fit`, {values['versions']}, recipe {values['changes']}"]
    parts += [f"images decoded {'before' if key['decoded_before'] else 'within the measured time'}"]
    parts += [f"{percent(head['accuracy'])} after the head stage ({head['seconds']:.0f} s)"] if head else []
    parts += [f"{percent(end['accuracy'])} after the last epoch ({end['seconds']:.0f} s)"]
    parts += [f"{percent(values['exported_accuracy'])} as exported, the best epoch ({values['seconds']:.0f} s)"]
    return ", ".join(parts)
