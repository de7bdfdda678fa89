"""The processes that train together, as torchrun starts them; one that was started without it is alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar, cast

import safetensors.torch
import torch
from torch import Tensor, nn
from torch import distributed as dist

from trainer.errors import DeviceError, ProcessLost
from trainer.training.device import choose_device
from trainer.training.memory import first_line, is_out_of_memory

Result = TypeVar("Result")

# The others wait while the main process decodes a million images, or exports.
_LONGEST_WAIT = timedelta(days=7)


class Distributed:
    """One process among all that train together: all hold the same weights, and each takes a share of every batch.

    rank     which one of them this is
    world_size  how many there are
    is_main  whether this is the one that writes and speaks

    Whatever involves the others must be called on all of them in the same order, and raises ProcessLost where one has
    ended. Alone, nothing is sent, and every tensor stays what it is.
    """

    def __init__(self, *, rank: int = 0, world_size: int = 1, local_rank: int = 0) -> None:
        """`local_rank` is the number of this process on its machine."""
        self.rank = rank
        self.world_size = world_size
        self.is_main = rank == 0
        self._local_rank = local_rank
        self._gpus: dist.ProcessGroup | None = None

    def device(self, name: str) -> torch.device:
        """The device of a name, see `choose_device`, on this process; of a machine's GPUs each process has its own.

        Raises DeviceError where there is none for this process.
        """
        device = choose_device(self.broadcast(lambda: str(choose_device(name))))
        if self.world_size == 1:
            if device.index is not None:
                torch.cuda.set_device(device)
            return device
        if device.type == "mps":
            raise DeviceError("several processes train on cuda or cpu, not on mps; use --device cpu, or one process")
        if device.type == "cuda":
            count = torch.cuda.device_count()
            if self._local_rank >= count:
                raise DeviceError(
                    f"a GPU for each process: this machine has {count}; give torchrun --nproc-per-node {count}"
                )
            device = torch.device("cuda", self._local_rank)
            torch.cuda.set_device(device)
            with self._among_all():
                group = dist.new_group(backend="nccl", timeout=_LONGEST_WAIT)
                self._gpus = cast(dist.ProcessGroup, group)
        return device

    def shard(self, count: int) -> slice:
        """The part of this process of 0 .. count - 1; the parts follow one another and are of nearly equal length."""
        return slice(self.rank * count // self.world_size, (self.rank + 1) * count // self.world_size)

    def all_reduce(self, tensor: Tensor) -> None:
        """Put in place of a tensor, of one shape everywhere, its sum over all processes."""
        if self.world_size > 1:
            with self._among_all():
                dist.all_reduce(tensor, group=self._gpus if tensor.is_cuda else None)

    def broadcast(self, work: Callable[[], Result]) -> Result:
        """What the work, done by the main process alone, gives; a JSON value."""
        if self.world_size == 1:
            return work()
        result: Result = json.loads(self._broadcast(json.dumps(work()).encode() if self.is_main else b""))
        return result

    def broadcast_tensors(self, work: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """What the work, done by the main process alone, gives; on the others it lies on the CPU."""
        if self.world_size == 1:
            return work()
        if not self.is_main:
            return safetensors.torch.load(self._broadcast(b""))
        tensors = work()
        self._broadcast(
            safetensors.torch.save({name: each.detach().cpu().contiguous() for name, each in tensors.items()})
        )
        return tensors

    def sync_module(self, module: nn.Module) -> None:
        """Give the module the weights and buffers that it has on the main process."""
        if self.world_size > 1:
            module.load_state_dict(self.broadcast_tensors(module.state_dict))

    def barrier(self) -> None:
        """Wait for all of them."""
        if self.world_size > 1:
            with self._among_all():
                dist.barrier()

    def _broadcast(self, content: bytes) -> bytes:
        length = torch.tensor(len(content))
        with self._among_all():
            dist.broadcast(length, src=0)
            sent = torch.frombuffer(bytearray(content or bytes(int(length))), dtype=torch.uint8)
            dist.broadcast(sent, src=0)
        return sent.numpy().tobytes()

    @contextmanager
    def _among_all(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise ProcessLost(is_main=self.is_main, reason=first_line(error)) from error


SINGLE_PROCESS = Distributed()


@contextmanager
def init_distributed() -> Iterator[Distributed]:
    """Join the processes that torchrun started beside this one, as its environment variables say, and leave them.

    What is agreed on goes through gloo, gradients on GPUs through nccl. After an error nobody is waited for: torchrun
    ends the others.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield SINGLE_PROCESS
        return
    processes = Distributed(
        rank=int(os.environ["RANK"]), world_size=size, local_rank=int(os.environ.get("LOCAL_RANK", "0"))
    )
    dist.init_process_group("gloo", timeout=_LONGEST_WAIT)
    yield processes
    dist.destroy_process_group()
