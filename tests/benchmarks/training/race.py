"""Two trainings side by side: when one was as good as the other ended, and how good it was when the other ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.training.results import Values, markdown, percent

Epochs = Sequence[Mapping[str, Any]]

# On a CPU. fastai's epochs -> (share of its time in which the trainer shall be as good, points better in the same time)
GOALS = {3: (1 / 20, 20.0), 10: (1 / 5, 5.0)}
# fastai's accuracy is a float32: 144 of 296 comes back as a little more than 144 / 296.
_ROUNDING = 1e-6
_COLUMNS = {
    "fastai": "fastai",
    "accuracy": "ends at",
    "seconds": "after",
    "reached": "trainer is there after",
    "share": "of that time",
    "share_goal": "goal",
    "equal": "trainer in the same time",
    "points": "points better",
    "points_goal": "goal",
}


def seconds_to(accuracy: float, epochs: Epochs) -> float | None:
    """When the first epoch that was as good was over, whatever came after it; None where none was."""
    return next((float(epoch["seconds"]) for epoch in epochs if epoch["accuracy"] >= accuracy - _ROUNDING), None)


def accuracy_after(seconds: float, epochs: Epochs) -> float | None:
    """Of the last epoch that was over by then, be it the best or not; None where none was."""
    over = [float(epoch["accuracy"]) for epoch in epochs if epoch["seconds"] <= seconds]
    return over[-1] if over else None


def report(parts: Sequence[tuple[Values, Values]]) -> str:
    """(key, values) of parts as `train_vs_fastai` measures them: a table for each part `trainer`."""
    theirs = [(key, values) for key, values in parts if key["part"] == "fastai"]
    lines = [f"fastai: {installed}" for installed in sorted({values["versions"] for _, values in theirs})]
    for key, values in parts:
        if key["part"] == "trainer":
            lines += ["", _described(key, values), ""]
            lines += [markdown(_COLUMNS, [compare(values["epochs"], *part) for part in theirs])] if theirs else []
    return "\n".join(lines)


def compare(ours: Epochs, key: Values, values: Values) -> dict[str, object]:
    """A row: one part `fastai` against the epochs of `trainer fit`."""
    end = values["epochs"][-1]
    accuracy, seconds = float(end["accuracy"]), float(end["seconds"])
    reached, equal = seconds_to(accuracy, ours), accuracy_after(seconds, ours)
    share = None if reached is None else reached / seconds
    points = None if equal is None else 100 * (equal - accuracy)
    name = f"`fine_tune({key['epochs']}, {key['rate']:g})`, batches of {key['batch_size']}"
    row: dict[str, object] = {
        "fastai": name + (", fp16" if key["fp16"] else ""),
        "accuracy": percent(accuracy),
        "seconds": f"{seconds:.0f} s",
        "reached": "never" if reached is None else f"{reached:.0f} s",
        "share": "" if share is None else f"1/{1 / share:.1f}",
        "equal": "nothing yet" if equal is None else percent(equal),
        "points": "" if points is None else f"{points:+.1f}",
    }
    if key["device"] == "cpu" and key["epochs"] in GOALS:
        max_fraction, least_points = GOALS[key["epochs"]]
        row["share_goal"] = f"1/{1 / max_fraction:.0f}" + _missed(share is not None and share <= max_fraction)
        row["points_goal"] = f"{least_points:.0f}" + _missed(points is not None and points >= least_points)
    return row


def _missed(met: bool) -> str:
    return "" if met else ": missed"


def _described(key: Values, values: Values) -> str:
    head = next((epoch for epoch in values["epochs"] if epoch["stage"] == "head"), None)
    end = values["epochs"][-1]
    words = [f"`trainer fit`, {values['versions']}, recipe {values['changes']}"]
    words += [f"images decoded {'before' if key['decoded_before'] else 'in the time that counts'}"]
    words += [f"{percent(head['accuracy'])} after the head stage ({head['seconds']:.0f} s)"] if head else []
    words += [f"{percent(end['accuracy'])} after the last epoch ({end['seconds']:.0f} s)"]
    words += [f"{percent(values['exported_accuracy'])} as exported, the best epoch ({values['seconds']:.0f} s)"]
    return ", ".join(words)
