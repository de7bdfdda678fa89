"""Decisions are on the disk before the answer, and the same for everyone who reads the file."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.support.cleaning import Page, image_of, write_subject
from tests.support.full_disk import no_file_over
from trainer.catalog import read_catalog
from trainer.cleaning.changes import edits_of, parse_changes
from trainer.cleaning.edits import Edit, append_edits, read_edits
from trainer.cleaning.history import new_action
from trainer.cleaning.replay import replay
from trainer.cleaning.session import STATUSES, Session
from trainer.errors import RunError


def decide(session: Session, *changes: dict[str, object]) -> None:
    with session.reading():
        session.save(edits_of(parse_changes([*changes], session), session, action=new_action()))


def now(session: Session) -> dict[str, frozenset[str]]:
    rows = (session.row(image) for image in range(len(session.subject.rows)))
    return {row.path: row.labels for row in rows if row is not None}


def test_a_session_is_at_any_time_what_a_replay_of_its_file_gives(tmp_path: Path) -> None:
    subject = write_subject(tmp_path, each=2)
    session = Session(subject)
    random = np.random.default_rng(1)
    for _ in range(150):
        ids = random.integers(0, len(subject.rows), 2).tolist()
        kind = random.choice(["relabel", "remove", "keep", "keep_copy", "undo"])
        if kind == "undo":
            edits = [*read_edits(subject.edits)]
            undone = {edits[number].id for number in random.integers(0, len(edits), 2)} if edits else set()
            if undone:
                append_edits(subject.edits, [Edit(kind="undo", undoes=tuple(undone))])
        elif kind == "keep_copy":
            decide(session, {"kind": kind, "ids": ids, "keeper": ids[0]})
        else:
            labels = {"labels": [str(random.choice(["red", "blue", "new"]))]} if kind == "relabel" else {}
            decide(session, {"kind": kind, "ids": ids, **labels})
        with session.reading():
            expected = replay(subject.rows, read_edits(subject.edits))
            assert now(session) == {row.path: row.labels for row in expected.rows}
            assert +session.class_counts == +type(session.class_counts)(
                label for row in expected.rows for label in row.labels
            )
            assert session.counts["removed"] == len(expected.removed)
            assert session.counts["relabelled"] == len(expected.relabelled)
            assert session.counts["unapplied"] == len(expected.unapplied)
    again = Session(subject)
    assert now(again) == now(session)
    assert again.status.tolist() == session.status.tolist()


def test_a_session_goes_on_where_another_one_was_killed(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    decide(Session(subject), {"kind": "keep", "ids": [1]})
    with open(subject.edits, "ab") as file:
        file.write(b'{"kind": "keep", "id": "torn')  # it was killed while it wrote
    session = Session(subject)
    assert STATUSES[session.status[1]] == "kept"
    decide(session, {"kind": "remove", "ids": [2]})
    assert [edit.kind for edit in read_edits(subject.edits)] == ["keep", "remove"]
    assert STATUSES[Session(subject).status[2]] == "removed"


def test_two_sessions_on_one_file_see_what_the_other_decides(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    one, other = Session(subject), Session(subject)
    decide(one, {"kind": "relabel", "ids": [3], "labels": ["red"]})
    version = other.version
    with other.reading():
        assert other.labels(3) == {"red"}
        assert other.version > version
    decide(other, {"kind": "relabel", "ids": [3], "labels": ["blue"]})
    with one.reading():
        assert one.labels(3) == {"blue"}
    assert read_edits(subject.edits)[1].before == (("red",),)


def test_threads_lose_nothing_of_each_other(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    sessions = [Session(subject), Session(subject)]

    def work(number: int) -> None:
        for label in ("red", "blue", "green") * 3:
            decide(sessions[number % 2], {"kind": "relabel", "ids": [number], "labels": [label]})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_edits(subject.edits)) == 4 * 9
    with sessions[0].reading(), sessions[1].reading():
        assert now(sessions[0]) == now(sessions[1])


def test_a_full_disk_saves_nothing_and_says_so(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    session = Session(subject)
    decide(session, {"kind": "keep", "ids": [1]})
    before = subject.edits.read_bytes()
    with no_file_over(len(before) + 10), pytest.raises(OSError, match="File too large"):
        decide(session, {"kind": "remove", "ids": [2, 3]})
    assert subject.edits.read_bytes() == before
    assert session.counts["removed"] == 0
    decide(session, {"kind": "remove", "ids": [2, 3]})
    assert session.counts["removed"] == 2


def test_a_damaged_file_is_named_with_its_line(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    session = Session(subject)
    decide(session, {"kind": "keep", "ids": [1]})
    with open(subject.edits, "ab") as file:
        file.write(b"not an edit\n")
    with pytest.raises(RunError, match=r"edits\.jsonl, line 2, is not an edit"), session.reading():
        pass
    with pytest.raises(RunError, match=r"edits\.jsonl, line 2, is not an edit"):
        Session(subject)


def test_a_file_that_another_one_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    session = Session(subject)
    decide(session, {"kind": "keep", "ids": [1, 2, 3]})
    subject.edits.unlink()
    with session.reading():
        assert session.counts["kept"] == 0
    append_edits(subject.edits, [Edit(kind="remove", sha256=(subject.rows[1].sha256 or "",))])
    with session.reading():
        assert [STATUSES[session.status[image]] for image in (1, 2)] == ["removed", "none"]


def test_an_undo_reaches_back_over_what_has_an_effect_here(tmp_path: Path) -> None:
    """The labels of a run that was trained on cleaned.csv are those of the decisions: these cannot be undone there."""
    subject = write_subject(tmp_path)
    image = image_of(subject, "red/0.jpg")
    row = subject.rows[image]
    before = Edit(kind="relabel", sha256=(row.sha256 or "",), labels=("red",), before=(("blue",),), id="earlier")
    gone = Edit(kind="remove", sha256=("of no image here",), id="gone")
    append_edits(subject.edits, [before, gone])
    session = Session(subject)
    assert STATUSES[session.status[image]] == "kept"
    assert session.counts["unapplied"] == 0
    assert session.latest_action() == ()
    decide(session, {"kind": "relabel", "ids": [image], "labels": ["green"]})
    assert [edit.labels for edit in session.latest_action()] == [("green",)]


def test_cleaned_csv_is_the_catalog_after_the_decisions(tmp_path: Path) -> None:
    subject = write_subject(tmp_path)
    session = Session(subject)
    red, copy = image_of(subject, "red/0.jpg"), image_of(subject, "red/copy.jpg")
    decide(
        session,
        {"kind": "relabel", "ids": [red], "labels": ["blue"]},
        {"kind": "keep_copy", "ids": [0, copy], "keeper": 0},
    )
    found = session.write_cleaned()
    assert [row.path for row in found.removed] == ["red/copy.jpg"]
    catalog = read_catalog(subject.cleaned)
    assert {row.path: (row.labels, row.split) for row in catalog.rows} == {
        f"photos/{row.path}": (frozenset({"blue"}) if row.path == "red/0.jpg" else row.labels, row.split)
        for row in subject.rows
        if row.path != "red/copy.jpg"
    }


def test_what_a_page_shows_of_a_session_costs_nothing_that_grows_with_its_edits(tmp_path: Path) -> None:
    """Only what was appended is read."""
    page = Page(write_subject(tmp_path))
    page.decide({"kind": "keep", "ids": [1]})
    size = page.subject.edits.stat().st_size
    page.subject.edits.write_bytes(b"x" * size)  # nothing of it is read again
    assert page.state()["edits"]["kept"] == 1
