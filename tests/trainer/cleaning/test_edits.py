"""edits.jsonl: nothing that was acknowledged is lost, whatever stops the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.full_disk import no_file_over
from trainer.cleaning.edits import Edit, append_edits, in_force, read_edits
from trainer.errors import RunError

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edits.jsonl"


def test_every_kind_comes_back_as_it_was_written(file: Path) -> None:
    edits = [
        Edit(kind="relabel", sha256=(A,), labels=("bee",), before=(("ant",), ("cat",)), path="ant/1\n.jpg"),
        Edit(kind="remove", sha256=(A,), path="ü.jpg"),
        Edit(kind="remove", sha256=(A,), kept_path="b/1.jpg"),
        Edit(kind="keep", sha256=(B,), labels=()),  # multilabel: no label is right
        Edit(kind="not_duplicate", sha256=(A, B, C)),
    ]
    append_edits(file, edits[:2])
    append_edits(file, [*edits[2:], undo := Edit(kind="undo", undoes=(edits[0].id, edits[1].id))])
    assert read_edits(file) == (*edits, undo)
    lines = file.read_text().splitlines()
    assert json.loads(lines[1]) == {"kind": "remove", "id": edits[1].id, "sha256": [A], "path": "ü.jpg"}
    assert json.loads(lines[3])["labels"] == []


def test_without_a_file_there_are_no_edits(file: Path) -> None:
    assert read_edits(file) == ()
    append_edits(file, [])
    assert not file.exists()


@pytest.mark.parametrize("torn", ['{"kind": "remo', "{", '{"kind": "remove", "id": "1", "sha256": ["x"]}'])
def test_a_torn_last_line_is_ignored_and_cut_off(file: Path, torn: str) -> None:
    first, second = Edit(kind="remove", sha256=(A,)), Edit(kind="remove", sha256=(B,))
    append_edits(file, [first])
    with file.open("a") as opened:
        opened.write(torn)
    assert read_edits(file) == (first,)
    append_edits(file, [second])
    assert read_edits(file) == (first, second)


def test_a_file_of_nothing_but_a_long_torn_line_is_started_again(file: Path) -> None:
    file.write_text("x" * 200_000)
    append_edits(file, [edit := Edit(kind="remove", sha256=(A,))])
    assert read_edits(file) == (edit,)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "nonsense",
        '{"kind": "remove"}',
        '{"kind": "burn", "id": "1", "sha256": ["a"]}',
        '{"kind": "remove", "id": "1", "sha256": "a"}',
        '{"kind": "remove", "id": "1", "sha256": [1]}',
        '{"kind": "remove", "id": "", "sha256": ["a"]}',
        '{"kind": "remove", "id": "1", "sha256": ["a", "b"]}',
        '{"kind": "remove", "id": "1", "sha256": ["a"], "colour": "red"}',
        '{"kind": "relabel", "id": "1", "sha256": ["a"], "labels": ["b"], "before": "b"}',
        '{"kind": "not_duplicate", "id": "1", "sha256": ["a", "a"]}',
        '{"kind": "undo", "id": "1"}',
        '{"kind": "undo", "id": "1", "undoes": ["2"], "sha256": ["a"]}',
    ],
)
def test_a_line_that_is_no_edit_is_named(file: Path, line: str) -> None:
    append_edits(file, [Edit(kind="remove", sha256=(A,))])
    with file.open("a") as opened:
        opened.write(f"{line}\n")
    with pytest.raises(RunError, match=r"edits.jsonl, line 2, is not an edit \(.+\); correct or remove"):
        read_edits(file)


def test_an_undo_takes_back_many_and_an_undo_of_it_restores_them() -> None:
    one, two, three = (Edit(kind="remove", sha256=(digest,)) for digest in (A, B, C))
    undo = Edit(kind="undo", undoes=(one.id, two.id))
    redo = Edit(kind="undo", undoes=(undo.id,))
    assert in_force([one, two, three]) == (one, two, three)
    assert in_force([one, two, three, undo]) == (three,)
    assert in_force([one, two, undo, three, redo]) == (one, two, three)
    assert in_force([one, two, undo, three, redo, Edit(kind="undo", undoes=(redo.id,))]) == (three,)
    assert in_force([Edit(kind="undo", undoes=("unknown",)), one]) == (one,)


_WRITER = """
import sys
from pathlib import Path
from tests.support.full_disk import no_file_over
from trainer.cleaning.edits import Edit, append_edits
for number in range(int(sys.argv[2])):
    append_edits(Path(sys.argv[1]), [Edit(kind="remove", sha256=(f"{sys.argv[3]}{number}",))])
    print(number, flush=True)
"""


def writer(file: Path, *, count: int, name: str) -> subprocess.Popen[Any]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(file), str(count), name], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_lose_nothing_of_each_other(file: Path) -> None:
    both = [writer(file, count=40, name=name) for name in ("one", "two")]
    for process in both:
        process.communicate(timeout=60)
    found = {edit.sha256[0] for edit in read_edits(file)}
    assert found == {f"{name}{number}" for name in ("one", "two") for number in range(40)}


def test_a_kill_loses_nothing_that_was_acknowledged(file: Path) -> None:
    process = writer(file, count=1_000_000, name="")
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    acknowledged = 20 + len(process.communicate()[0].splitlines())
    read = read_edits(file)
    assert len(read) >= acknowledged
    append_edits(file, [edit := Edit(kind="keep", sha256=(A,), labels=("ant",))])
    assert read_edits(file) == (*read, edit)


def test_a_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"edits\.jsonl"):
        append_edits(file, [Edit(kind="remove", sha256=(A,))])
    assert not (tmp_path / "elsewhere").exists()


def test_on_a_full_disk_nothing_is_half_written(file: Path) -> None:
    append_edits(file, [first := Edit(kind="remove", sha256=(A,))])
    size = file.stat().st_size
    with no_file_over(size + 60), pytest.raises(OSError, match="File too large"):
        append_edits(file, [Edit(kind="remove", sha256=(B,)), Edit(kind="remove", sha256=(C,))])
    assert file.stat().st_size == size
    assert read_edits(file) == (first,)
