from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.training.sources import code_digest, require_code


@pytest.mark.parametrize("changed", ["trainer/training/loop.py", "service/pixels/spec.py", "trainer/new.py"])
def test_the_digest_covers_the_code_that_trains_and_decodes(tmp_path: Path, changed: str) -> None:
    for name in ("trainer/training/loop.py", "service/pixels/spec.py", "service/cli.py", "trainer/page.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one = 1\n")
    before = code_digest(tmp_path)
    (tmp_path / "service/cli.py").write_text("one = 2\n")
    (tmp_path / "trainer/page.html").write_text("two\n")
    assert code_digest(tmp_path) == before
    (tmp_path / changed).write_text("one = 2\n")
    assert code_digest(tmp_path) != before


def test_code_that_changed_during_a_benchmark_is_an_error() -> None:
    require_code(code_digest())
    with pytest.raises(RuntimeError, match="was changed while the benchmark ran"):
        require_code("another")
