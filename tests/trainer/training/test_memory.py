"""Out of memory: the micro-batch is halved, the batch stays, and the weights are those of fewer images at once."""

from __future__ import annotations

import copy
import dataclasses
import json
import multiprocessing
import resource
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainer.data import Prepared, TrainingData
from trainer.errors import FitError
from trainer.model import Backbone, Classifier
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe
from trainer.training.finetune import Finetuner
from trainer.training.loop import fit
from trainer.training.memory import MicroBatch, cut, is_out_of_memory, oom_as_fit_error

CPU = torch.device("cpu")
RECIPE = Recipe(head=HeadRecipe(epochs=3, batch_size=8), finetune=FinetuneRecipe(epochs=2, batch_size=8, lr=0.01))


class Small(nn.Module):
    """Memory for the gradients of a few images only: more of them fail where a GPU would, forward or backward."""

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
        return _Burst.apply(embedding, self.most) if self.backward else embedding  # type: ignore[no-any-return,no-untyped-call]


class _Burst(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, embedding: Tensor, most: int) -> Tensor:
        context.most = most
        return embedding.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        if len(gradients[0]) > context.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return gradients[0], None


class Lines(NoProgress):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        """Remember it."""
        self.lines.append(text)


def small(backbone: Backbone, most: int, *, backward: bool = False) -> Backbone:
    body = copy.deepcopy(backbone.body)  # or two trainings would learn in the same one
    return dataclasses.replace(backbone, body=Small(body, most=most, backward=backward))


def trained(backbone: Backbone, data: Any, recipe: Recipe, *, progress: NoProgress | None = None) -> Finetuner:
    model = Classifier(backbone, class_count=3, dropout=recipe.dropout)
    training = Finetuner(model, data, recipe, size=32, device=CPU)
    while not training.done:
        training.run_epoch(progress=progress or NoProgress(), on_step=lambda: None)
    return training


def test_errors_of_real_allocators_are_known() -> None:
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(2**55, dtype=torch.uint8)
    with pytest.raises(MemoryError) as numpys:
        np.empty(2**55, dtype=np.uint8)
    assert is_out_of_memory(torchs.value)
    assert is_out_of_memory(numpys.value)
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
def test_cudnn_without_room_to_work_in_is_out_of_memory(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize(("count", "size"), [(8, 8), (8, 3), (7, 100), (10, 4), (1, 1)])
def test_parts_are_nearly_equal_and_few(count: int, size: int) -> None:
    parts = cut(count, size)
    lengths = [part.stop - part.start for part in parts]
    assert [place for part in parts for place in range(part.start, part.stop)] == list(range(count))
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    assert len(parts) == -(-count // size)


def test_another_error_is_passed_on() -> None:
    def attempt(parts: list[slice]) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        MicroBatch(8, device=CPU).run(attempt, 8, say=print)
    with pytest.raises(RuntimeError, match="something else"), oom_as_fit_error(CPU):
        raise RuntimeError("something else")


def test_what_cannot_be_made_smaller_is_said() -> None:
    with pytest.raises(FitError, match=r"does not hold the network .* try a smaller --backbone"), oom_as_fit_error(CPU):
        torch.empty(2**55, dtype=torch.uint8)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("pretrained", [False, True])
def test_out_of_memory_gives_the_weights_of_fewer_images_at_once(
    prepared: Prepared, backbone: Backbone, backward: bool, pretrained: bool
) -> None:
    """No half-added gradient, no statistics of a norm taken twice, no number drawn twice."""
    backbone = dataclasses.replace(backbone, pretrained=pretrained)
    watched = Lines()
    failed = trained(small(backbone, 3, backward=backward), prepared.data, RECIPE, progress=watched)
    accumulating = dataclasses.replace(RECIPE, finetune=dataclasses.replace(RECIPE.finetune, accumulate=4))
    expected = trained(small(backbone, 3), prepared.data, accumulating)
    assert [line for line in watched.lines if "out of memory" in line] == [
        "warning: out of memory with 8 images at once on cpu: going on with 4",
        "warning: out of memory with 4 images at once on cpu: going on with 2",
    ]
    assert failed.state()[1]["micro_batch"] == 2
    reached = failed.model.state_dict()
    assert all(torch.equal(tensor, reached[name]) for name, tensor in expected.model.state_dict().items())


def test_a_stage_that_is_taken_up_again_keeps_its_micro_batch(prepared: Prepared, backbone: Backbone) -> None:
    """It would have failed once more, and drawn other numbers for the parts."""
    watched = Lines()
    training = trained(small(backbone, 3), prepared.data, RECIPE)
    again = Finetuner(Classifier(small(backbone, 3), class_count=3), prepared.data, RECIPE, size=32, device=CPU)
    tensors, facts = training.state()
    again.restore(tensors, {**facts, "step": 0, "losses": []})
    again.run_epoch(progress=watched, on_step=lambda: None)
    assert not watched.lines


def test_every_pass_of_a_fit_is_halved_and_the_history_says_so(
    prepared: Prepared, backbone: Backbone, tmp_path: Path
) -> None:
    """Features, training and validation."""
    watched = Lines()
    fitted = fit(small(backbone, 3), prepared.data, RECIPE, run=tmp_path, device=CPU, progress=watched)
    assert fitted.metrics["accuracy"] > 0.5
    events = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    told = [(event["stage"], event["micro_batch"]) for event in events if event["event"] == "warning"]
    assert [size for stage, size in told if stage == "features"] == [14, 7, 3]
    assert [size for stage, size in told if stage == "finetune"] == [4, 2]
    # Once for the features, and once for all that is measured: it came back in every epoch.
    assert watched.lines.count("warning: out of memory with 7 images at once on cpu: going on with 3") == 2


def test_a_memory_that_holds_no_image_ends_the_fit(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(epochs=0))
    with pytest.raises(FitError, match=r"memory of cpu does not hold a single image .* try a smaller --size"):
        fit(small(backbone, 0), prepared.data, recipe, run=tmp_path, device=CPU, progress=NoProgress())


class Wasteful(nn.Module):
    """Takes half a gigabyte an image from torch's own allocator, and touches none of it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, pixels: Tensor) -> Tensor:
        """As the body."""
        torch.empty(len(pixels), 2**29, dtype=torch.uint8)
        embedding: Tensor = self.body(pixels)
        return embedding


def _fit_with_little_memory(run: Path, backbone: Backbone, data: TrainingData, answers: Queue[str]) -> None:
    torch.set_num_threads(1)
    used = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize"))
    most = int(used.split()[1]) * 1024 + 3 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    wasteful = dataclasses.replace(backbone, body=Wasteful(backbone.body))
    fit(wasteful, data, RECIPE, run=run, device=CPU, progress=NoProgress())
    answers.put((run / "history.jsonl").read_text())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_process_whose_memory_is_limited_goes_on(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    """A real limit and the errors of the real allocator; eight images would take four of three gigabytes."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    arguments = (tmp_path, backbone, prepared.data, answers)
    process = context.Process(target=_fit_with_little_memory, args=arguments)
    process.start()
    events = [json.loads(line) for line in answers.get(timeout=120).splitlines()]
    process.join()
    halved = {event["stage"]: event["micro_batch"] for event in events if event["event"] == "warning"}
    assert set(halved) == {"features", "finetune"}
    assert 1 <= halved["finetune"] <= 5
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [0, 1, 2]
