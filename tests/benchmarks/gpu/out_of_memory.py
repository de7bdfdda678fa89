"""Out of memory on purpose: the batch is halved, and the gradients stay the same."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from tests.benchmarks.gpu.setting import Deadline, Setting
from tests.benchmarks.training.results import markdown
from trainer.model import Classifier
from trainer.progress import NoProgress
from trainer.run.inputs import load_recipe_backbone
from trainer.training.finetune import Finetuner
from trainer.training.session import open_session

_MEMORY_FRACTION = 0.7  # of what the whole batch needs
_COLUMNS = {"step": "step", "loss": "loss", "difference": "largest difference of a gradient", "warning": "warning"}


class _Warnings(NoProgress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        self.texts.append(text)


def halve_a_batch(setting: Setting, deadline: Deadline) -> Iterator[str]:
    """Yield a table of one step with the whole memory, and of the same step with too little of it.

    The network has no dropout, which is drawn anew for each part of a batch, and its norms are frozen, as they are in
    every network with pretrained weights. The difference is relative to the largest gradient of the same weight. On a
    CPU the error is a simulated one.
    """
    if not deadline.left_s:
        yield "left out: no time"
        return
    case = replace(setting.plan.cases[0], precision="fp32", compiled=False)
    loop_setting = setting.loop_setting(case)
    backbone = replace(load_recipe_backbone(loop_setting.recipe), pretrained=True)
    model: Classifier = Classifier(backbone, class_count=loop_setting.data.class_count).to(setting.device)
    nn.init.normal_(model.head.weight, std=0.1)  # the loss of a head that is zero does not depend on the images
    warnings = _Warnings()
    session = open_session(loop_setting.data.train, setting.device, progress=warnings)

    def step() -> tuple[float, list[Tensor]]:
        finetuner = Finetuner(model, loop_setting.data, loop_setting.recipe, session)
        loss = float(finetuner.start_sweep(momentum=0.9)(0.0))
        return loss, [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]

    if setting.on_gpu:
        torch.cuda.reset_peak_memory_stats(setting.device)
    loss, gradients = step()
    with _too_little_memory(model, setting.device, batch_size=min(case.batch_size, len(loop_setting.data.train))):
        loss_in_parts, found = step()
    if not warnings.texts:
        raise RuntimeError("the memory was enough: the batch was not halved")
    pairs = zip(gradients, found, strict=True)
    difference = max(float((one - other).abs().max() / one.abs().max().clamp_min(1e-12)) for one, other in pairs)
    rows = [
        {"step": "whole memory", "loss": f"{loss:.6f}"},
        {"step": "too little memory", "loss": f"{loss_in_parts:.6f}", "difference": f"{difference:.1e}"},
    ]
    rows[1]["warning"] = "; ".join(warnings.texts)
    yield markdown(_COLUMNS, rows)


@contextmanager
def _too_little_memory(model: Classifier, device: torch.device, *, batch_size: int) -> Iterator[None]:
    """Limit the memory to less than the last step used; on a CPU, make the network refuse a whole batch."""
    if device.type != "cuda":

        def refuse(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            if len(arguments[0]) > batch_size // 2:
                raise torch.OutOfMemoryError("out of memory (simulated)")

        handle = model.register_forward_pre_hook(refuse)
        try:
            yield
        finally:
            handle.remove()
        return
    gc.collect()
    used = torch.cuda.max_memory_allocated(device)
    torch.cuda.empty_cache()
    number = device.index or 0  # the fraction is that of a GPU with a number
    whole = torch.cuda.get_device_properties(number).total_memory
    torch.cuda.set_per_process_memory_fraction(_MEMORY_FRACTION * used / whole, number)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, number)
