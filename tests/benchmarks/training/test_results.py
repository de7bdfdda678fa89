from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.training.results import Results, markdown


def test_what_is_in_the_file_is_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    calls: list[None] = []

    def measure() -> dict[str, object]:
        calls.append(None)
        return {"seconds": 1.5, "epochs": [(1, 2)]}

    for _ in range(2):
        results = Results(path)
        assert results.once({"part": "one", "lrs": (1, 2)}, measure) == {"seconds": 1.5, "epochs": [[1, 2]]}
    results.once({"part": "two", "lrs": (1, 2)}, measure)
    assert len(calls) == 2
    assert [key["part"] for key, _ in Results(path).matching({"lrs": [1, 2]})] == ["one", "two"]
    assert Results(path).matching({"part": "two", "lrs": [3]}) == []


def test_a_part_that_fails_writes_nothing(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    with pytest.raises(ZeroDivisionError):
        results.once({"part": "one"}, lambda: {"seconds": 1 / 0})
    assert Results(tmp_path / "results.jsonl").find({"part": "one"}) is None


def test_the_error_names_the_line_that_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"key": {}, "values": {}}\n{"key": {}, "val')
    with pytest.raises(ValueError, match="line 2"):
        Results(path)


def test_a_table_may_have_empty_cells() -> None:
    assert markdown({"a": "A", "b": "B"}, [{"b": 2}, {"a": 1}]) == "| A | B |\n| --- | --- |\n|  | 2 |\n| 1 |  |"
