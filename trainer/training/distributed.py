"""The processes that train together, as torchrun starts them."""

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

# The other processes wait while the main process decodes a million images, or exports.
_LONGEST_WAIT = timedelta(days=7)


class Distributed:
    """One of the processes that train together. All hold the same weights; each processes its shard of every batch.

    A method that involves the other processes must be called on all of them in the same order. It raises ProcessLost if
    one of them has ended. With a single process nothing is sent, and every tensor stays as it is.

    Attributes:
        rank: Number of this process.
        world_size: Number of processes.
        is_main: Whether this is the process that writes files and reports.
    """

    def __init__(self, *, rank: int = 0, world_size: int = 1, local_rank: int = 0) -> None:
        """Make a process known by its rank. `local_rank` is its number on its machine."""
        self.rank = rank
        self.world_size = world_size
        self.is_main = rank == 0
        self._local_rank = local_rank
        self._gpus: dist.ProcessGroup | None = None

    def device(self, name: str) -> torch.device:
        """Choose the device of this process, see `choose_device`. Each process of a machine gets a GPU of its own.

        Raises:
            DeviceError: There is no such device for this process.
        """
        device = choose_device(self.broadcast(lambda: str(choose_device(name))))
        if self.world_size == 1:
            if device.index is not None:
                torch.cuda.set_device(device)
            return device
        if device.type == "mps":
            raise DeviceError(
                "several processes train on cuda or cpu, not on mps; use `device='cpu'`, or a single process"
            )
        if device.type == "cuda":
            count = torch.cuda.device_count()
            if self._local_rank >= count:
                raise DeviceError(
                    f"each process needs a GPU, and this machine has {count}; start torchrun with "
                    f"--nproc-per-node {count}"
                )
            device = torch.device("cuda", self._local_rank)
            torch.cuda.set_device(device)
            with self._among_all():
                group = dist.new_group(backend="nccl", timeout=_LONGEST_WAIT)
                self._gpus = cast(dist.ProcessGroup, group)
        return device

    def shard(self, count: int) -> slice:
        """The part of 0 .. count - 1 that this process handles. The parts are in order and of nearly equal length."""
        return slice(self.rank * count // self.world_size, (self.rank + 1) * count // self.world_size)

    def all_reduce(self, tensor: Tensor) -> None:
        """Replace a tensor, of the same shape on all processes, by its sum over all of them."""
        if self.world_size > 1:
            with self._among_all():
                dist.all_reduce(tensor, group=self._gpus if tensor.is_cuda else None)

    def broadcast(self, work: Callable[[], Result]) -> Result:
        """Do the work on the main process only, and return its result, a JSON value, on all of them."""
        if self.world_size == 1:
            return work()
        result: Result = json.loads(self._send(json.dumps(work()).encode() if self.is_main else b""))
        return result

    def broadcast_tensors(self, work: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Do the work on the main process only, and return its tensors on all of them; on the others, on the CPU."""
        if self.world_size == 1:
            return work()
        if not self.is_main:
            return safetensors.torch.load(self._send(b""))
        tensors = work()
        copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        self._send(safetensors.torch.save(copies))
        return tensors

    def sync_module(self, module: nn.Module) -> None:
        """Give the module the weights and buffers that it has on the main process."""
        if self.world_size > 1:
            module.load_state_dict(self.broadcast_tensors(module.state_dict))

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.world_size > 1:
            with self._among_all():
                dist.barrier()

    def _send(self, content: bytes) -> bytes:
        """The main process's content, on all of them."""
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

    JSON values and CPU tensors are sent by gloo, gradients on GPUs by nccl. After an error no process waits for the
    others: torchrun ends them.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield SINGLE_PROCESS
        return
    rank, local_rank = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    dist.init_process_group("gloo", timeout=_LONGEST_WAIT)
    yield Distributed(rank=rank, world_size=world_size, local_rank=local_rank)
    dist.destroy_process_group()
