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
from trainer.model import load_backbone
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
        weights: Of the pretrained body of the default backbone, under timm's names.
        batch_size: Images in a batch.
        fp16: Whether fastai uses its own mixed precision.
    """

    python: Path
    weights: Path
    batch_size: int
    fp16: bool

    def start(self, table: Path, *command: str, root: Path, device: str, seed: int) -> FastaiProcess:
        """Start a command of `fastai_learner.py` on the images of a table (path, label, split)."""
        arguments = ["--root", str(root), "--weights", str(self.weights), "--device", device, "--seed", str(seed)]
        arguments += ["--batch-size", str(self.batch_size), *(["--fp16"] if self.fp16 else [])]
        return FastaiProcess(
            [str(self.python), str(_SCRIPT), str(table), *arguments, *command], log=self.weights.parent
        )


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
    weights = options.work.resolve() / "weights.safetensors"
    safetensors.torch.save_file(load_backbone(DEFAULT_BACKBONE).body.state_dict(), weights)
    return Fastai(
        python=python,
        weights=weights,
        batch_size=options.fastai_batch_size,
        fp16=uses_fp16(options.fp16, device=options.device, precision=precision),
    )
