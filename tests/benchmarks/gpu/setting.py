"""What every part of the benchmark shares: the photos, the device, how much is measured, and until when."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.benchmarks.training.loops import LoopSetting, make_loop_setting
from tests.benchmarks.training.recipes import change_recipe
from trainer.catalog import ReadOptions, read_catalog
from trainer.recipe import PRETRAINED, RANDOM_WEIGHTS

# The default precision of a GPU comes first.
PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network under the trainer's name and under timm's, which fastai uses; None: fastai does not have it."""

    name: str
    weights: str
    arch: str | None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network, trained in one way."""

    network: Network
    precision: str
    batch_size: int
    compiled: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        cases: The most important first.
        images: Trained on in a round, at least.
        rounds: That count; one more comes before them.
        size: Side of the images, pixels.
        profiled_steps: Steps that are timed, and then as many that are profiled.
        fit_options: Further options of `trainer fit`.
    """

    cases: tuple[Case, ...]
    images: int
    rounds: int
    size: int
    profiled_steps: int
    fit_options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """When a part of the benchmark must have ended, on the clock of time.monotonic, seconds."""

    at: float

    @property
    def left_s(self) -> float:
        """Seconds until then; 0 afterwards."""
        return max(0.0, self.at - time.monotonic())


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured, and with what.

    Attributes:
        photos: Folder with a folder for each class.
        device: A GPU, or the CPU in a trial.
        plan: How much is measured.
        work: Folder for temporary files.
    """

    photos: Path
    device: torch.device
    plan: Plan
    work: Path

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    @property
    def table(self) -> Path:
        """A CSV of the photos with the columns path, label and split; the paths are relative to `photos`."""
        path = self.work / "photos.csv"
        if not path.exists():
            read_catalog(self.photos).write_csv(path)
        return path

    def loop_setting(self, case: Case) -> LoopSetting:
        """Prepare the training loops of a case: as many epochs as the rounds need."""
        changes = {
            "backbone": case.network.name,
            "weights": case.network.weights,
            "size": self.plan.size,
            "precision": case.precision,
            "finetune.batch_size": case.batch_size,
            "finetune.compile": case.compiled,
        }
        count = len(read_catalog(self.table, ReadOptions(root=self.photos)).split("train"))
        passes = -(-self.plan.images // count)
        recipe = change_recipe(changes | {"finetune.epochs": passes * (self.plan.rounds + 1)}).recipe
        cache = self.work / "cache"
        return make_loop_setting(
            self.table, root=self.photos, recipe=recipe, cache=cache, device=self.device, passes=passes
        )


LITE0 = Network(name="efficientnet_lite0", weights=PRETRAINED, arch="tf_efficientnet_lite0")
RESNET50 = Network(name="torchvision/resnet50", weights=RANDOM_WEIGHTS, arch="resnet50")
TINY = Network(name="tiny", weights=RANDOM_WEIGHTS, arch=None)


def _cases(network: Network) -> tuple[Case, ...]:
    ways = [(precision, False) for precision in PRECISIONS] + [(PRECISIONS[0], True)]
    return tuple(
        Case(network=network, precision=precision, batch_size=batch_size, compiled=compiled)
        for precision, compiled in ways
        for batch_size in (64, 256)
    )


FULL = Plan(cases=(*_cases(LITE0), *_cases(RESNET50)), images=4096, rounds=3, size=224, profiled_steps=20)
# Everything at its smallest, to try the command.
TRIAL = Plan(
    cases=(Case(network=TINY, precision="fp32", batch_size=4),),
    images=20,
    rounds=1,
    size=64,
    profiled_steps=2,
    fit_options=("--backbone", "tiny", "--size", "64", "--epochs", "40", "--batch-size", "4"),
)
