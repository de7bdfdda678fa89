from __future__ import annotations

import pytest

from tests.benchmarks.training.fastai_process import takes_fp16


@pytest.mark.parametrize(
    ("asked", "device", "precision", "taken"),
    [
        (None, "cpu", "auto", False),
        (None, "cpu", "bf16", False),
        (None, "cuda", "bf16", True),
        (None, "cuda", "fp32", False),
        (False, "cuda", "fp16", False),
        (True, "cpu", "fp32", True),
    ],
)
def test_fastai_multiplies_as_we_do_unless_told(asked: bool | None, device: str, precision: str, taken: bool) -> None:
    assert takes_fp16(asked, device=device, precision=precision) is taken
