"""What the GPU does in a step: the fraction of time that it waits, peak memory, and the ten longest kernels."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from tests.benchmarks.gpu.setting import Case, Deadline, Setting
from tests.benchmarks.training.results import markdown, percent
from trainer.training.finetune import Finetuner
from trainer.training.session import open_session

_WARM_UP_STEPS = 5  # memory is allocated, cuDNN chooses its kernels
_TOP = 10
_STEP_COLUMNS = {
    "step": "wall time of a step",
    "busy": "GPU busy",
    "waits": "GPU waits",
    "allocated": "peak memory of tensors",
    "reserved": "peak memory reserved",
}
_KERNEL_COLUMNS = {"name": "kernel", "fraction": "of the time", "calls": "calls a step", "ms": "ms a step"}


def profile_steps(setting: Setting, deadline: Deadline) -> Iterator[str]:
    """Yield two tables for the first case of each network: the step, and its ten longest kernels (CPU: operators)."""
    first = {case.network.name: case for case in reversed(setting.plan.cases)}
    for case in sorted(first.values(), key=setting.plan.cases.index):
        yield f"{case.network.name}, {case.precision}, batches of {case.batch_size}:"
        yield from _profile(setting, case) if deadline.left_s > 0 else ["left out: no time"]


def _profile(setting: Setting, case: Case) -> Iterator[str]:
    steps, device = setting.plan.profiled_steps, setting.device
    loop_setting = setting.loop_setting(case)
    session = open_session(loop_setting.data.train, device)
    finetuner = Finetuner(loop_setting.make_model(), loop_setting.data, loop_setting.recipe, session)
    step = finetuner.start_sweep(momentum=0.9)
    for _ in range(_WARM_UP_STEPS):
        step(1e-6)
    synchronize(device)
    if setting.on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    for _ in range(steps):
        step(1e-6)
    synchronize(device)
    wall_s = (time.perf_counter() - start) / steps
    # On a GPU the kernels alone are recorded: to record the operators too would slow the processor down.
    with profile(activities=[ProfilerActivity.CUDA if setting.on_gpu else ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            step(1e-6)
        synchronize(device)
    events = [event for event in profiler.events() if not getattr(event, "is_user_annotation", False)]
    kernels = [event for event in events if event.device_type.name == "CUDA"]
    shown = {"step": f"{1000 * wall_s:.1f} ms", "busy": "no GPU", "waits": "no GPU"}
    if setting.on_gpu:
        if not kernels:
            raise RuntimeError("the profiler saw no kernel on the GPU")
        busy_s = covered_us((kernel.time_range.start, kernel.time_range.end) for kernel in kernels) / 1e6 / steps
        shown |= {"busy": f"{1000 * busy_s:.1f} ms", "waits": percent(max(0.0, 1 - busy_s / wall_s))}
        shown["allocated"] = f"{torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB"
        shown["reserved"] = f"{torch.cuda.max_memory_reserved(device) / 2**30:.2f} GiB"
    yield markdown(_STEP_COLUMNS, [shown])
    yield _longest(kernels or events, steps=steps)


def covered_us(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much time lies in at least one of the spans (start, end)."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def _longest(events: Iterable[Any], *, steps: int) -> str:
    times_us: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in events:
        on_gpu = event.device_type.name == "CUDA"
        times_us[event.name] += event.time_range.elapsed_us() if on_gpu else event.self_cpu_time_total
        calls[event.name] += 1
    total_us = sum(times_us.values()) or 1
    rows = [
        {
            "name": f"`{name[:90].replace('|', '/')}`",
            "fraction": percent(time_us / total_us),
            "calls": f"{calls[name] / steps:.0f}",
            "ms": f"{time_us / 1000 / steps:.2f}",
        }
        for name, time_us in times_us.most_common(_TOP)
    ]
    return markdown(_KERNEL_COLUMNS, rows)


def synchronize(device: torch.device) -> None:
    """Wait until the GPU has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
