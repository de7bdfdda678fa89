"""RUN/tensorboard: the history as TensorBoard reads it. Needs the extra `tensorboard`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from trainer.errors import RecipeError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_STEP_TAGS = {"loss": "loss/step", "lr": "schedule/lr", "momentum": "schedule/momentum"}
_SPLITS = ("valid", "train")


class TensorBoard:
    """Event files of scalars, each at the number of steps that were done by then.

    Steps have the tags `loss/step`, `schedule/lr` and `schedule/momentum`; epochs have their metrics as `loss/valid`,
    `loss/train` and so on. It is a context: at its end everything is on the disk.

    Raises:
        RecipeError: The extra is not installed.
    """

    def __init__(self, folder: Path) -> None:
        require_tensorboard()
        self._folder = folder
        self._writer: SummaryWriter | None = None
        self._step = 0

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def start(self, steps: int | None) -> None:
        """Start after this many steps, or at the beginning (None). Later steps that were written before are hidden."""
        from torch.utils.tensorboard import SummaryWriter

        self._step = steps or 0
        self._writer = SummaryWriter(str(self._folder), purge_step=0 if steps is None else steps + 1)

    def mirror(self, event: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Write events of the history. Only steps and epochs are written."""
        assert self._writer is not None, "start() comes first"
        for record in records:
            if event == "step":
                self._step += 1
                self._write({tag: record[name] for name, tag in _STEP_TAGS.items()})
            elif event == "epoch":
                for split in _SPLITS:
                    self._write({f"{name}/{split}": value for name, value in record.get(split, {}).items()})
        self._writer.flush()

    def _write(self, scalars: Mapping[str, float]) -> None:
        assert self._writer is not None
        for tag, value in scalars.items():
            self._writer.add_scalar(tag, value, self._step)


def require_tensorboard() -> None:
    """Raise RecipeError if the extra is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise RecipeError("`tensorboard` needs an extra: pip install 'fieldguide[tensorboard]'") from error
