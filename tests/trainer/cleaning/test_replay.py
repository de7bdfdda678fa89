"""Edits are replayed onto the data that they were made on, and onto data that grew, moved or changed since."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.support.photos import write_folder
from tests.support.runs import tree
from trainer.catalog import Columns, ReadOptions, Row, hash_files, read_catalog
from trainer.cleaning.edits import Edit, append_edits, read_edits
from trainer.cleaning.replay import Replayed, replay, write_cleaned


def row(path: str, label: str, *, digest: str = "", split: str = "train", coarse: str = "") -> Row:
    labels = frozenset(filter(None, label.split(";")))
    return Row(path=path, labels=labels, split=split, sha256=digest or f"#{path}", coarse_label=coarse)  # type: ignore[arg-type]


ROWS = (
    row("1", "ant"),
    row("2", "ant"),
    row("3", "bee"),
    row("4", "bee", split="valid"),
    row("5", "cat", split="test"),
)


def relabel(path: str, before: str, after: str) -> Edit:
    return Edit(kind="relabel", sha256=(f"#{path}",), labels=(after,), before=((before,),), path=path)


def remove(path: str, *, kept_path: str = "") -> Edit:
    return Edit(kind="remove", sha256=(f"#{path}",), path=path, kept_path=kept_path)


def keep(path: str, label: str) -> Edit:
    return Edit(kind="keep", sha256=(f"#{path}",), labels=(label,), path=path)


def undo(*edits: Edit) -> Edit:
    return Edit(kind="undo", undoes=tuple(edit.id for edit in edits))


def labels_of(replayed: Replayed) -> dict[str, str]:
    return {row.path: ";".join(sorted(row.labels)) for row in replayed.rows}


def reasons_of(replayed: Replayed) -> list[str]:
    return [reason for _, reason in replayed.unapplied]


def test_every_decision_is_applied_and_the_splits_stay() -> None:
    not_duplicate = Edit(kind="not_duplicate", sha256=("#4", "#2", "#1"))
    found = replay(ROWS, [relabel("4", "bee", "ant"), remove("2"), keep("3", "bee"), not_duplicate])
    assert labels_of(found) == {"1": "ant", "3": "bee", "4": "ant", "5": "cat"}
    assert {row.path: row.split for row in found.rows} == {"1": "train", "3": "train", "4": "valid", "5": "test"}
    assert found.relabelled == {"4": frozenset({"bee"})}
    assert found.removed == (ROWS[1],)
    assert found.kept == {"#3"}
    assert found.not_duplicates == {("#1", "#2"), ("#1", "#4"), ("#2", "#4")}
    assert found.unapplied == ()


def test_without_edits_nothing_changes() -> None:
    assert replay(ROWS, []).rows == ROWS


def test_the_last_decision_counts_and_an_undo_brings_back_the_one_before() -> None:
    first, second = relabel("1", "ant", "bee"), relabel("1", "bee", "cat")
    assert labels_of(replay(ROWS, [first, second]))["1"] == "cat"
    assert labels_of(replay(ROWS, [first, second, undo(second)]))["1"] == "bee"
    assert labels_of(replay(ROWS, [first, second, undo(first, second)]))["1"] == "ant"
    assert "1" not in labels_of(replay(ROWS, [first, remove("1")]))
    assert labels_of(replay(ROWS, [remove("1"), keep("1", "ant")]))["1"] == "ant"
    kept = replay(ROWS, [first, keep("1", "bee")])
    assert labels_of(kept)["1"] == "bee"
    assert kept.kept == {"#1"}


def test_a_table_that_the_edits_were_written_to_stays_as_it_is() -> None:
    edits = [relabel("1", "ant", "bee"), relabel("1", "bee", "cat"), keep("1", "cat"), relabel("3", "bee", "ant")]
    once = replay(ROWS, edits)
    again = replay(once.rows, edits)
    assert again.rows == once.rows
    assert again.relabelled == {}
    assert again.unapplied == ()
    halfway = (row("1", "bee"), *ROWS[1:])
    assert replay(halfway, edits).rows == once.rows


def test_images_that_were_moved_are_found_and_new_ones_are_left_alone() -> None:
    moved = [dataclasses.replace(one, path=f"elsewhere/{one.path}") for one in ROWS]
    grown = [*moved, row("new", "bee"), Row(path="unhashed", labels=frozenset({"ant"}), split="train")]
    found = replay(grown, [relabel("1", "ant", "bee"), remove("2")])
    assert labels_of(found) == {
        **{"elsewhere/1": "bee", "elsewhere/3": "bee", "elsewhere/4": "bee", "elsewhere/5": "cat"},
        **{"new": "bee", "unhashed": "ant"},
    }


def test_what_no_longer_applies_is_reported() -> None:
    gone = relabel("gone", "ant", "bee")
    harmless = [Edit(kind="not_duplicate", sha256=("#1", "#gone")), remove("removed before")]
    found = replay(ROWS, [gone, *harmless, relabel("1", "bee", "cat"), keep("5", "ant")])
    assert found.rows == ROWS
    assert found.kept == frozenset()
    assert [edit for edit, _ in found.unapplied[:1]] == [gone]
    assert reasons_of(found) == [
        "no image has these bytes any more",
        "1 was given other labels since: ant, but this edit says cat",
        "5 was given other labels since: cat, but this edit says ant",
    ]


def test_exact_copies_are_one_image_unless_one_of_them_is_to_stay() -> None:
    copies = (row("1", "ant", digest="#1"), row("2", "bee", digest="#1"), row("3", "bee"))
    both = Edit(kind="relabel", sha256=("#1",), labels=("cat",), before=(("ant",), ("bee",)))
    assert labels_of(replay(copies, [both])) == {"1": "cat", "2": "cat", "3": "bee"}
    assert labels_of(replay(copies, [remove("1")])) == {"3": "bee"}
    one = remove("1", kept_path="2")
    assert labels_of(replay(copies, [one])) == {"2": "bee", "3": "bee"}
    assert labels_of(replay(copies, [one, both])) == {"2": "cat", "3": "bee"}
    assert labels_of(replay(copies, [both, one])) == {"2": "cat", "3": "bee"}
    assert labels_of(replay(copies, [one, both, undo(one)])) == {"1": "cat", "2": "cat", "3": "bee"}
    assert labels_of(replay(copies[:1] + copies[2:], [one])) == {"1": "ant", "3": "bee"}  # the other was moved away


def test_several_labels_and_none() -> None:
    rows = (row("1", "sky;sea"), row("2", "sky"))
    edits = [
        Edit(kind="relabel", sha256=("#1",), labels=(), before=(("sea", "sky"),)),
        Edit(kind="relabel", sha256=("#2",), labels=("sea", "sky"), before=(("sky",),)),
    ]
    assert labels_of(replay(rows, edits)) == {"1": "", "2": "sea;sky"}


def test_coarse_labels_follow_the_label_and_a_new_class_gets_one() -> None:
    rows = (row("1", "gala", coarse="apple"), row("2", "conference", coarse="pear"), row("3", "gala", coarse="apple"))
    edits = [relabel("1", "gala", "conference"), relabel("2", "conference", "new"), relabel("3", "gala", "new")]
    found = replay(rows, edits)
    assert [(next(iter(one.labels)), one.coarse_label) for one in found.rows] == [
        ("conference", "pear"),
        ("new", "pear"),
        ("new", "pear"),
    ]


def test_labels_that_only_other_images_have_are_named() -> None:
    assert replay(ROWS, []).labels_without_training == ("cat",)
    assert replay(ROWS, [relabel("5", "cat", "bee")]).labels_without_training == ()


@pytest.mark.parametrize("delimiter", [None, ";"])
def test_cleaned_csv_is_read_without_more_and_the_images_are_untouched(tmp_path: Path, delimiter: str | None) -> None:
    photos = write_folder(tmp_path / "photos", each=4)
    before = tree(photos)
    catalog = read_catalog(photos)
    files = [catalog.file_of(one) for one in catalog.rows]
    catalog = catalog.with_hashes(hash_files(files, threads=1).digests)
    first, second = catalog.rows[0], catalog.rows[5]
    edits = tmp_path / "edits.jsonl"
    append_edits(
        edits,
        [
            Edit(kind="relabel", sha256=(first.sha256 or "",), labels=("red",), before=(("blue",),), path=first.path),
            Edit(kind="remove", sha256=(second.sha256 or "",), path=second.path),
        ],
    )
    run = tmp_path / "deep" / "run"
    run.mkdir(parents=True)
    for _ in range(2):  # the second one replaces the first
        cleaned = replay(catalog.rows, read_edits(edits))
        write_cleaned(run / "cleaned.csv", cleaned.rows, root=catalog.root, label_delimiter=delimiter)
    again = read_catalog(run / "cleaned.csv", ReadOptions(columns=Columns(label_delimiter=delimiter)))
    assert again.task == ("classification" if delimiter is None else "multilabel")
    found = {str(again.file_of(one).resolve()): (one.labels, one.split, one.sha256) for one in again.rows}
    expected = {
        str(one.resolve()): (now.labels, now.split, now.sha256) for one, now in zip(files, catalog.rows, strict=True)
    }
    expected[str(files[0].resolve())] = (frozenset({"red"}), first.split, first.sha256)
    del expected[str(files[5].resolve())]
    assert found == expected
    assert again.drawn is None
    assert [file.name for file in run.iterdir()] == ["cleaned.csv"]
    assert tree(photos) == before
