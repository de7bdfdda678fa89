"""fastai in a virtual environment and a process of its own; `fastai_learner.py` is what runs there."""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

import safetensors.torch
import torch

from tests.benchmarks.environment import make_environment
from trainer.model import Backbone, load_backbone
from trainer.recipe import DEFAULT_BACKBONE
from trainer.training.device import training_dtype

_SCRIPT = Path(__file__).with_name("fastai_learner.py")
# Of the versions that we train with, so that the two differ in fastai alone.
_SHARED = ("torch", "torchvision", "timm", "pillow", "numpy")


@dataclass(frozen=True, kw_only=True)
class Fastai:
    """An interpreter that has fastai, and what its learners start from.

    Attributes:
        python: The interpreter.
        work: Folder for the standard error of its processes.
        weights: File of the weights of the network without its last layer, under timm's names; None: random.
        batch_size: Images in a batch.
        precision: `fp32`, or fastai's own mixed precision in `fp16` or `bf16`.
        arch: timm's name of the network.
        size: Side of the images, pixels.
    """

    python: Path
    work: Path
    weights: Path | None
    batch_size: int
    precision: str
    arch: str = "tf_efficientnet_lite0"
    size: int = 224

    @property
    def fp16(self) -> bool:
        """Whether it uses its own mixed precision in fp16."""
        return self.precision == "fp16"

    def start(self, table: Path, *command: str, root: Path, device: str, seed: int) -> FastaiProcess:
        """Start a command of `fastai_learner.py` on the images of a table (path, label, split)."""
        arguments = ["--root", str(root), "--device", device, "--seed", str(seed), "--arch", self.arch]
        arguments += ["--size", str(self.size), "--batch-size", str(self.batch_size), "--precision", self.precision]
        arguments += ["--weights", str(self.weights)] if self.weights else []
        return FastaiProcess([str(self.python), str(_SCRIPT), str(table), *arguments, *command], log=self.work)


class FastaiProcess:
    """A running `fastai_learner.py`; as a context manager it is killed at the end of the block."""

    def __init__(self, command: list[str], *, log: Path) -> None:
        """Start a command; `log` is the folder for its standard error."""
        self._log = log / "fastai.log"
        self._start = time.perf_counter()
        with open(self._log, "wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def __enter__(self) -> FastaiProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def read(self) -> dict[str, Any] | None:
        """Return the next line that it prints, with `at_s`: seconds from the start of the process; None at its end.

        Raises RuntimeError with its last output if it fails.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return {**json.loads(line), "at_s": time.perf_counter() - self._start}
        if self._process.wait():
            raise RuntimeError(f"fastai failed:\n{self._log.read_text(errors='replace')[-3000:]}")
        return None

    def ask(self) -> dict[str, Any]:
        """Send it a line, and return the line that it prints."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self.read()
        if line is None:
            raise RuntimeError("fastai ended before it printed a line")
        return line


def add_fastai_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `set_up_fastai` needs."""
    parser.add_argument("--work", type=Path, required=True, help="folder for results, fastai and temporary files")
    parser.add_argument("--python", type=Path, help="an interpreter that has fastai; by default one is set up")
    parser.add_argument(
        "--fp16",
        action=argparse.BooleanOptionalAction,
        help="fastai in its own mixed precision; by default on a GPU if the recipe's precision is mixed too",
    )
    parser.add_argument("--fastai-batch-size", type=int, default=64)


def uses_fp16(requested: bool | None, *, device: str, precision: str) -> bool:
    """Return whether fastai multiplies in fp16: as requested, else as a recipe of this precision does on the device."""
    if requested is not None:
        return requested
    return device.startswith("cuda") and training_dtype(torch.device(device), precision) != torch.float32


def set_up_fastai(options: argparse.Namespace, *, precision: str) -> Fastai:
    """Prepare fastai 2.8 in an environment in the work folder, or the interpreter that was given.

    `precision` is that of the recipe that it is compared with.
    """
    shared = [f"{name}=={metadata.version(name).partition('+')[0]}" for name in _SHARED]
    python = options.python
    if python is None:
        python = make_environment(options.work / "fastai", ["fastai~=2.8.0", "safetensors", *shared]).python
    # Later processes are timed from their start: their files must not come from a cold disk.
    subprocess.run([python, "-c", "import fastai.vision.all"], check=True, capture_output=True)
    work = options.work.resolve()
    fp16 = uses_fp16(options.fp16, device=options.device, precision=precision)
    return Fastai(
        python=python,
        work=work,
        weights=save_weights(work / "weights.safetensors", load_backbone(DEFAULT_BACKBONE)),
        batch_size=options.fastai_batch_size,
        precision="fp16" if fp16 else "fp32",
    )


def save_weights(path: Path, backbone: Backbone) -> Path:
    """Write the weights of a backbone, for `Fastai.weights`."""
    safetensors.torch.save_file(backbone.body.state_dict(), path)
    return path
