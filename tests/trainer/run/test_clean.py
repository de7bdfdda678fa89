"""From runs of every kind to the page of `clean`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.cleaning import write_untrained_run
from tests.support.photos import write_folder, write_tagged_csv
from tests.support.runs import tree
from tests.support.trainer import fit, table
from trainer.catalog import Columns, ReadOptions, read_catalog
from trainer.cleaning.browsing import QueueRequest
from trainer.cleaning.edits import Edit, append_edits
from trainer.cleaning.queues import GroupQueue, ImageQueue
from trainer.cleaning.session import STATUSES
from trainer.errors import CatalogError, CleanError, RunError
from trainer.run.clean import Cleaning, can_add_features, open_cleaning


def opened(run: Path, *, root: Path | None = None) -> Cleaning:
    """A session, when everything was worked out."""
    cleaning = open_cleaning(run, root=root)
    cleaning.background.start()
    cleaning.background.wait(60)
    return cleaning


def paths(cleaning: Cleaning, name: str) -> list[str]:
    queue, rows = cleaning.views.queues.get(name), cleaning.session.subject.rows
    assert isinstance(queue, ImageQueue)
    return [rows[image].path for image in queue.ids.tolist()]


def items(cleaning: Cleaning, name: str) -> list[dict[str, Any]]:
    page = cleaning.views.page(QueueRequest(name=name))
    assert page is not None
    found: list[dict[str, Any]] = page["items"]
    return found


def test_a_run_has_every_queue_and_what_is_wrong_comes_first(trained_run: Path) -> None:
    before = tree(trained_run)
    cleaning = opened(trained_run)
    state = cleaning.views.state()
    assert [queue["name"] for queue in state["queues"]] == [
        *("wrong", "off-topic", "exact-duplicates", "top-losses", "least-sure", "everything")
    ]
    assert not any(queue["working"] for queue in state["queues"])
    assert state["notes"] == []
    assert state["has_heatmaps"]
    assert state["has_predictions"]
    assert {*paths(cleaning, "wrong")[:2]} == {"blue/wrong.jpg", "red/copy.jpg"}
    wrong = items(cleaning, "wrong")[0]
    assert wrong["proposal"] in ("red", "green")
    assert wrong["likely"][0] == wrong["proposal"]
    duplicates = cleaning.views.queues.get("exact-duplicates")
    assert isinstance(duplicates, GroupQueue)
    assert duplicates.groups[0].reason.startswith("They have different labels: 'green' and 'red'.")
    assert {*tree(trained_run)} - {*before} == {"suspects.npz", "check.json"}
    assert {path: state for path, state in tree(trained_run).items() if path in before} == before
    image = next(i for i, row in enumerate(cleaning.session.subject.rows) if row.path == "blue/wrong.jpg")
    similar = cleaning.tools.similar(image, 3)
    assert [cleaning.session.subject.rows[other].path.split("/")[0] for other, _ in similar] == ["red"] * 3


def test_what_was_worked_out_is_read_the_next_time(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(trained_run).views.state()["queues"]
    for function in ("trainer.cleaning.insight.find_suspects", "trainer.checking.check.check_images"):
        monkeypatch.setattr(function, None)
    again = opened(trained_run)
    assert again.views.state()["queues"] == first
    assert again.background.failures == []


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_files_of_what_was_worked_out_may_be_damaged(trained_run: Path, damage: str) -> None:
    expected = paths(opened(trained_run), "wrong")
    for name in ("suspects.npz", "check.json"):
        file = trained_run / name
        content = file.read_bytes()
        file.write_bytes({"cut": content[: len(content) // 2], "text": b"[1]", "empty": b""}[damage])
    cleaning = opened(trained_run)
    assert paths(cleaning, "wrong") == expected
    assert cleaning.background.failures == []


def test_a_step_that_fails_leaves_the_rest(trained_run: Path) -> None:
    (trained_run / "features.npy").write_bytes((trained_run / "features.npy").read_bytes()[:-10])
    with pytest.raises(RunError, match=r"features\.npy is damaged"):
        open_cleaning(trained_run)


def test_images_that_are_gone_are_an_error_and_a_moved_folder_is_named(trained_home: Path, tmp_path: Path) -> None:
    moved, run = tmp_path / "moved", tmp_path / "run"
    shutil.copytree(trained_home / "photos", moved)
    shutil.copytree(trained_home / "run", run)
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(trained_home / "photos"), str(tmp_path / "gone")))
    with pytest.raises(CatalogError, match="name the folder that they start from with `root`"):
        open_cleaning(run)
    cleaning = open_cleaning(run, root=moved)
    assert cleaning.session.subject.root == moved


def test_a_run_with_random_weights_or_without_validation_or_bundle_is_opened(tmp_path: Path, photos: Path) -> None:
    run = tmp_path / "run"
    write_untrained_run(photos, run, features=False, split="none")
    assert can_add_features(run)
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('weights = "pretrained"', 'weights = "none"'))
    assert not can_add_features(run)
    cleaning = opened(run)
    assert [queue["name"] for queue in cleaning.views.state()["queues"]] == ["everything"]
    assert cleaning.views.state()["notes"] == [
        f"{run} has no features.npy: there are no suspects, and no similar images.",
        f"{run} has no bundle: there are no heatmaps.",
    ]
    assert cleaning.tools.similar(0, 8) == ()
    assert cleaning.tools.predictor() is None
    assert "--split" not in cleaning.session.subject.next_command()  # the recipe says it


def test_several_labels_an_image(tmp_path: Path) -> None:
    data = write_tagged_csv(tmp_path / "data")
    write_untrained_run(data, tmp_path / "run", label_column="tags", label_delimiter=";")
    cleaning = opened(tmp_path / "run")
    assert [queue["name"] for queue in cleaning.views.state()["queues"]][:2] == ["missing", "surplus"]
    surplus = items(cleaning, "surplus")
    assert all(item["proposal"] in item["labels"] for item in surplus)
    assert all(item["proposal"] not in item["labels"] for item in items(cleaning, "missing"))
    row = cleaning.session.subject.rows[1]
    append_edits(
        cleaning.session.subject.edits,
        [Edit(kind="relabel", sha256=(row.sha256 or "",), labels=("blue", "new"), before=(tuple(sorted(row.labels)),))],
    )
    with cleaning.session.reading():
        assert STATUSES[cleaning.session.status[1]] == "relabelled"
    cleaning.session.write_cleaned()
    command = cleaning.session.subject.next_command()
    assert f"--recipe {tmp_path / 'run' / 'recipe.toml'} --label-column label" in command
    catalog = read_catalog(tmp_path / "run" / "cleaned.csv", ReadOptions(columns=Columns(label_delimiter=";")))
    assert next(each.labels for each in catalog.rows if each.path.endswith(row.path)) == {"blue", "new"}


def test_a_folder_that_is_no_run_or_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run"):
        open_cleaning(write_folder(tmp_path / "photos"))
    (tmp_path / "run").mkdir()
    shutil.copy(Path(__file__), tmp_path / "run" / "recipe.toml")
    with pytest.raises(Exception, match="is not TOML"):
        open_cleaning(tmp_path / "run")


def test_a_run_that_cannot_be_written_is_refused(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root everything may be written: the answer of the system is replaced."""
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_relative_to(trained_run))
    with pytest.raises(CleanError, match="cannot be written, so nothing could be saved"):
        open_cleaning(trained_run)


def test_the_next_run_knows_what_was_decided(trained_run: Path, tmp_path: Path) -> None:
    cleaning = open_cleaning(trained_run)
    rows = {row.path: row.sha256 or "" for row in cleaning.session.subject.rows}
    append_edits(
        trained_run / "edits.jsonl",
        [
            Edit(kind="keep", sha256=(rows["green/001.jpg"],), labels=("green",)),
            Edit(kind="relabel", sha256=(rows["blue/wrong.jpg"],), labels=("red",), before=(("blue",),)),
            Edit(kind="remove", sha256=(rows["red/003.jpg"],)),
            Edit(kind="not_duplicate", sha256=(rows["red/001.jpg"], rows["red/002.jpg"])),
        ],
    )
    cleaning.session.write_cleaned()
    second = tmp_path / "second"
    done = fit(trained_run / "cleaned.csv", second, "--epochs", "1")
    assert done.exit_code == 0, done.output
    assert "remembered from clean: 4 decisions" in done.stdout
    assert (second / "edits.jsonl").read_bytes() == (trained_run / "edits.jsonl").read_bytes()
    before, after = (table(run / "catalog.csv") for run in (trained_run, second))
    assert len(after) == len(before) - 1
    again = open_cleaning(second)
    with again.session.reading():
        assert again.session.counts == {
            "relabelled": 0,
            "removed": 0,
            "kept": 2,
            "not_duplicates": 1,
            "unapplied": 0,
        }
        pair = [
            image
            for image, row in enumerate(again.session.subject.rows)
            if row.path.endswith(("red/001.jpg", "red/002.jpg"))
        ]
        assert again.session.is_settled(pair)


def test_a_damaged_file_of_edits_stops_the_next_fit_before_it_starts(trained_run: Path, tmp_path: Path) -> None:
    open_cleaning(trained_run).session.write_cleaned()
    (trained_run / "edits.jsonl").write_text("{}\n")
    done = fit(trained_run / "cleaned.csv", tmp_path / "second")
    assert done.exit_code == 2
    assert "edits.jsonl, line 1, is not an edit" in done.stderr
    assert not (tmp_path / "second").exists()
