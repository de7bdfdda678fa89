"""Out of memory: the micro-batch is halved, the batch stays, and the weights are those of fewer images at once."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import resource
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.support.training import CPU, RecordedProgress, cpu_session, fit_into, read_events, run_epoch
from trainer.data import Prepared, TrainingData
from trainer.errors import FitError
from trainer.model import Backbone, Classifier
from trainer.progress import Progress
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe
from trainer.training.finetune import Finetuner
from trainer.training.memory import MicroBatch, is_out_of_memory, oom_as_fit_error, split_evenly

RECIPE = Recipe(head=HeadRecipe(epochs=3, batch_size=8), finetune=FinetuneRecipe(epochs=2, batch_size=8, lr=0.01))


class Limited(nn.Module):
    """Has memory for a few images only: with more of them it fails as a GPU does, in the forward or backward pass."""

    def __init__(self, body: nn.Module, *, most: int, backward: bool) -> None:
        super().__init__()
        self.body = body
        self.most = most
        self.backward = backward

    def forward(self, pixels: Tensor) -> Tensor:
        """As the body."""
        if len(pixels) > self.most and not self.backward:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total of ...")
        embedding: Tensor = self.body(pixels)
        return _LimitedBackward.apply(embedding, self.most) if self.backward else embedding  # type: ignore[no-any-return,no-untyped-call]


class _LimitedBackward(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, embedding: Tensor, most: int) -> Tensor:
        context.most = most
        return embedding.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        if len(gradients[0]) > context.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return gradients[0], None


def limited(backbone: Backbone, most: int, *, backward: bool = False) -> Backbone:
    body = copy.deepcopy(backbone.body)  # so that two trainings do not share one
    return dataclasses.replace(backbone, body=Limited(body, most=most, backward=backward))


def start(backbone: Backbone, data: TrainingData, recipe: Recipe, progress: Progress | None = None) -> Finetuner:
    model = Classifier(backbone, class_count=3, dropout=recipe.dropout)
    return Finetuner(model, data, recipe, cpu_session(data, progress=progress))


def train(backbone: Backbone, data: TrainingData, recipe: Recipe, progress: Progress | None = None) -> Finetuner:
    finetuner = start(backbone, data, recipe, progress)
    while not finetuner.is_done:
        run_epoch(finetuner)
    return finetuner


def test_errors_of_real_allocators_are_recognized() -> None:
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(2**55, dtype=torch.uint8)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(2**55, dtype=np.uint8)
    assert is_out_of_memory(of_torch.value)
    assert is_out_of_memory(of_numpy.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert not is_out_of_memory(RuntimeError("FIND was called with a dtype that is not supported"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    "text",
    [
        "FIND was unable to find an engine to execute this computation",
        "GET was unable to find an engine to execute this computation",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    ],
)
def test_cudnn_without_a_workspace_is_out_of_memory(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize(("count", "size"), [(8, 8), (8, 3), (7, 100), (10, 4), (1, 1)])
def test_parts_are_few_and_nearly_equal(count: int, size: int) -> None:
    parts = split_evenly(count, size)
    lengths = [part.stop - part.start for part in parts]
    assert [number for part in parts for number in range(part.start, part.stop)] == list(range(count))
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    assert len(parts) == -(-count // size)


def test_any_other_error_is_raised_as_it_is() -> None:
    def attempt(parts: list[slice]) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        MicroBatch(8, device=CPU).run(attempt, 8, warn=print)
    with pytest.raises(RuntimeError, match="something else"), oom_as_fit_error(CPU):
        raise RuntimeError("something else")


def test_out_of_memory_where_nothing_can_be_made_smaller_is_reported() -> None:
    message = r"memory of cpu cannot hold the network and its optimizer .* try a smaller `backbone` or another `device`"
    with pytest.raises(FitError, match=message), oom_as_fit_error(CPU):
        torch.empty(2**55, dtype=torch.uint8)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("pretrained", [False, True])
def test_out_of_memory_gives_the_weights_of_fewer_images_at_once(
    prepared: Prepared, backbone: Backbone, backward: bool, pretrained: bool
) -> None:
    """No gradient is added twice, no statistics of a norm are updated twice, no random number is drawn twice."""
    backbone = dataclasses.replace(backbone, pretrained=pretrained)
    progress = RecordedProgress()
    halved = train(limited(backbone, 3, backward=backward), prepared.data, RECIPE, progress)
    accumulating = dataclasses.replace(RECIPE, finetune=dataclasses.replace(RECIPE.finetune, accumulate=4))
    expected = train(limited(backbone, 3), prepared.data, accumulating)
    assert progress.warnings == [
        "out of memory with 8 images at once on cpu; continuing with 4",
        "out of memory with 4 images at once on cpu; continuing with 2",
    ]
    assert halved.state_dict()[1]["micro_batch"] == 2
    reached = halved.model.state_dict()
    assert all(torch.equal(tensor, reached[name]) for name, tensor in expected.model.state_dict().items())


def test_resumed_training_keeps_its_micro_batch(prepared: Prepared, backbone: Backbone) -> None:
    """Else it fails once more, and draws other random numbers for the parts."""
    progress = RecordedProgress()
    tensors, values = train(limited(backbone, 3), prepared.data, RECIPE).state_dict()
    again = start(limited(backbone, 3), prepared.data, RECIPE, progress)
    again.load_state_dict(tensors, {**values, "step": 0, "losses": []})
    run_epoch(again)
    assert not progress.warnings


def test_every_pass_of_a_training_is_halved_and_the_history_says_so(
    prepared: Prepared, backbone: Backbone, tmp_path: Path
) -> None:
    """Features, training and validation."""
    progress = RecordedProgress()
    fitted = fit_into(tmp_path, limited(backbone, 3), prepared.data, RECIPE, progress=progress)
    assert fitted.metrics["accuracy"] > 0.5
    warnings = [(event["stage"], event["micro_batch"]) for event in read_events(tmp_path, "warning")]
    assert [size for stage, size in warnings if stage == "features"] == [14, 7, 3]
    assert [size for stage, size in warnings if stage == "finetune"] == [4, 2]
    # Once for the features, and once for all evaluations, not in every epoch.
    assert progress.warnings.count("out of memory with 7 images at once on cpu; continuing with 3") == 2


def test_a_memory_that_cannot_hold_one_image_ends_the_training(
    prepared: Prepared, backbone: Backbone, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(epochs=0))
    with pytest.raises(FitError, match=r"memory of cpu cannot hold a single image .* try a smaller `size`"):
        fit_into(tmp_path, limited(backbone, 0), prepared.data, recipe)


class Wasteful(nn.Module):
    """Allocates half a gigabyte an image with torch's own allocator, and uses none of it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, pixels: Tensor) -> Tensor:
        """As the body."""
        torch.empty(len(pixels), 2**29, dtype=torch.uint8)
        embedding: Tensor = self.body(pixels)
        return embedding


def _fit_with_little_memory(run: Path, backbone: Backbone, data: TrainingData, done: Queue[bool]) -> None:
    torch.set_num_threads(1)
    used = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize"))
    most = int(used.split()[1]) * 1024 + 3 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    wasteful = dataclasses.replace(backbone, body=Wasteful(backbone.body))
    fit_into(run, wasteful, data, RECIPE)
    done.put(True)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_process_whose_memory_is_limited_continues(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    """A real limit and the errors of the real allocator; eight images need four of three gigabytes."""
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    arguments = (tmp_path, backbone, prepared.data, done)
    process = context.Process(target=_fit_with_little_memory, args=arguments)
    process.start()
    assert done.get(timeout=120)
    process.join()
    halved = {event["stage"]: event["micro_batch"] for event in read_events(tmp_path, "warning")}
    assert set(halved) == {"features", "finetune"}
    assert 1 <= halved["finetune"] <= 5
    assert [event["epoch"] for event in read_events(tmp_path, "epoch")] == [0, 1, 2]
