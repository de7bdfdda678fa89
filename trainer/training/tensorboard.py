"""RUN/tensorboard: what goes into the history, as TensorBoard reads it. Needs the extra `tensorboard`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from trainer.errors import RecipeError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_TAGS_OF_A_STEP = {"loss": "loss/step", "lr": "schedule/lr", "momentum": "schedule/momentum"}
_SIDES = ("valid", "train")


class TensorBoard:
    """Event files of scalars, each at the number of steps that were done by then.

    Of every step `loss/step`, `schedule/rate` and `schedule/momentum`; of every epoch its figures, as `loss/valid` and
    `loss/train`. A context: when it is left everything is on the disk. Raises RecipeError where the extra is not
    installed.
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

    def take_up(self, steps: int | None) -> None:
        """Begin after this many steps, or at the very beginning; what was written of anything later is hidden."""
        from torch.utils.tensorboard import SummaryWriter

        self._step = steps or 0
        self._writer = SummaryWriter(str(self._folder), purge_step=0 if steps is None else steps + 1)

    def mirror(self, event: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Write what the history is told; records that are neither of steps nor of epochs are passed over."""
        assert self._writer is not None, "take_up() comes first"
        for record in records:
            if event == "step":
                self._step += 1
                self._write({tag: record[name] for name, tag in _TAGS_OF_A_STEP.items()})
            elif event == "epoch":
                for side in _SIDES:
                    self._write({f"{name}/{side}": value for name, value in record.get(side, {}).items()})
        self._writer.flush()

    def _write(self, scalars: Mapping[str, float]) -> None:
        assert self._writer is not None
        for tag, value in scalars.items():
            self._writer.add_scalar(tag, value, self._step)


def require_tensorboard() -> None:
    """Raise RecipeError where the extra is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise RecipeError("--tensorboard needs an extra: pip install 'fieldguide[tensorboard]'") from error
