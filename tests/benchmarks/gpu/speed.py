"""Images per second: the training loop, the same network on one batch, and fastai's loop."""

from __future__ import annotations

import gc
import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch

from tests.benchmarks.gpu.setting import Case, Deadline, Setting
from tests.benchmarks.training.fastai_process import Fastai, save_weights
from tests.benchmarks.training.loops import RealLoop, SyntheticLoop
from tests.benchmarks.training.results import markdown
from trainer.recipe import RANDOM_WEIGHTS
from trainer.run.inputs import load_recipe_backbone
from trainer.training.memory import first_line

# (ratio of the loop to ..., at least)
GOALS = {"synthetic": 0.9, "fastai": 3.0}
_CASE_S = 15  # the least that a case takes
_COLUMNS = {
    "network": "network",
    "precision": "precision",
    "batch": "batch",
    "trainer": "trainer, images/s",
    "synthetic": "one synthetic batch, images/s",
    "of_synthetic": "trainer / synthetic",
    "fastai": "fastai, images/s",
    "of_fastai": "trainer / fastai",
}


def measure_speeds(setting: Setting, deadline: Deadline) -> Iterator[str]:
    """Yield a table with a row for each case; a case that fails, or has no time left, says so in its row."""
    rows = []
    for case in setting.plan.cases:
        row = {"network": case.network.name, "batch": str(case.batch_size)}
        row["precision"] = case.precision + (", compiled" if case.compiled else "")
        if deadline.left_s < _CASE_S:
            row["trainer"] = "left out: no time"
        else:
            try:
                row |= _compare(_measure(setting, case))
            except Exception as error:  # noqa: BLE001 - such as too little memory; the other cases may fit
                row["trainer"] = f"failed: {first_line(error)}"
            gc.collect()
            if setting.on_gpu:
                torch.cuda.empty_cache()
        rows.append(row)
    yield markdown(_COLUMNS, rows)
    least = " and ".join(f"at least {goal:g} of {name}" for name, goal in GOALS.items())
    yield f"Median of {setting.plan.rounds} rounds in which the loops take turns. Goals: {least}."
    if not _has_fastai():
        yield "fastai is not installed here: its columns are empty."


def _measure(setting: Setting, case: Case) -> list[dict[str, float]]:
    """Return the images per second of each loop, for each round that counts."""
    loop_setting = setting.loop_setting(case)
    loops: dict[str, Callable[[], float]] = {
        "trainer": RealLoop(loop_setting).round,
        "synthetic": SyntheticLoop(loop_setting).round,
    }
    with ExitStack() as stack:
        if case.network.arch is not None and _has_fastai():
            weights = None
            if case.network.weights != RANDOM_WEIGHTS:
                weights = save_weights(setting.work / "weights.safetensors", load_recipe_backbone(loop_setting.recipe))
            fastai = Fastai(
                python=Path(sys.executable),
                work=setting.work,
                weights=weights,
                batch_size=case.batch_size,
                precision=case.precision,
                arch=case.network.arch,
                size=setting.plan.size,
            )
            command = ("speed", "--passes", str(loop_setting.passes))
            process = fastai.start(setting.table, *command, root=setting.photos, device=str(setting.device), seed=0)
            learner = stack.enter_context(process)
            learner.read()
            loops["fastai"] = lambda: float(learner.ask()["images_per_second"])
        return [{name: loop() for name, loop in loops.items()} for _ in range(setting.plan.rounds + 1)][1:]


def _compare(rounds: list[dict[str, float]]) -> dict[str, str]:
    row = {name: f"{statistics.median(found[name] for found in rounds):,.0f}" for name in rounds[0]}
    for name, goal in GOALS.items():
        if name in rounds[0]:
            ratio = statistics.median(found["trainer"] / found[name] for found in rounds)
            row[f"of_{name}"] = f"{ratio:.2f}{'' if ratio >= goal else ' (missed)'}"
    return row


def _has_fastai() -> bool:
    return importlib.util.find_spec("fastai") is not None
