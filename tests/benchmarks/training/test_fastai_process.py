from __future__ import annotations

import pytest

from tests.benchmarks.training.fastai_process import uses_fp16


@pytest.mark.parametrize(
    ("requested", "device", "precision", "expected"),
    [
        (None, "cpu", "auto", False),
        (None, "cpu", "bf16", False),
        (None, "cuda", "bf16", True),
        (None, "cuda", "fp32", False),
        (False, "cuda", "fp16", False),
        (True, "cpu", "fp32", True),
    ],
)
def test_fastai_multiplies_as_we_do_unless_requested_otherwise(
    requested: bool | None, device: str, precision: str, expected: bool
) -> None:
    assert uses_fp16(requested, device=device, precision=precision) is expected
