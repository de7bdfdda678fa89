"""Two runs or bundles on the same images: which images count, and whose labels."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.bundle import BundleRefused
from tests.support.bundles import write_tiny_bundle
from tests.support.compared import RIGHT, SWAPPED, rows_of, write_colours, write_run
from tests.support.runs import tree
from tests.support.training import RecordedProgress
from trainer.errors import CatalogError, RunError
from trainer.report.comparison import Comparison
from trainer.run.compare import compare_models
from trainer.run.compare_images import CompareOptions


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """36 images, 12 of each colour."""
    return write_colours(tmp_path / "colours")


@pytest.fixture
def right(tmp_path: Path, colours: Path) -> Path:
    """A run that predicts every colour correctly."""
    return write_run(tmp_path / "right", colours, rows_of(colours))


@pytest.fixture
def swapped(tmp_path: Path, colours: Path) -> Path:
    """A run that calls green blue, and blue green."""
    return write_run(tmp_path / "swapped", colours, rows_of(colours), classes=SWAPPED)


def compare(first: Path, second: Path, data: Path | None = None, **more: object) -> Comparison:
    options = CompareOptions(data=data, root=more.pop("root", None), reading=more)  # type: ignore[arg-type]
    return compare_models(first, second, options, threads=2, progress=RecordedProgress())


def test_the_validation_images_of_both_are_compared(right: Path, swapped: Path) -> None:
    before = tree(right), tree(swapped)
    found = compare(swapped, right)
    assert (tree(right), tree(swapped)) == before
    (verdict,) = found.verdicts
    assert (verdict.images, verdict.labels_of) == (18, str(right))
    assert (verdict.paired.first, verdict.paired.second) == (6 / 18, 1)
    assert (verdict.paired.gained, verdict.paired.lost) == (12, 0)
    assert verdict.paired.is_clear
    assert [change.label for change in verdict.gained] == ["green", "blue"]
    assert verdict.lost == []
    assert {image.outcome for image in found.changed} == {"fixed"}
    assert sorted(image.path for image in found.changed)[0] == "blue/000.png"
    image = next(image for image in found.changed if image.path == "green/003.png")
    assert (image.first, image.second, image.labels) == (
        ("blue",),
        ("green",),
        {str(right): ("green",)} | {str(swapped): ("green",)},
    )
    assert found.remarks == ()


def test_a_model_that_lost_is_said_to_be_worse(right: Path, swapped: Path) -> None:
    found = compare(right, swapped)
    assert found.verdicts[0].paired.difference == pytest.approx(-12 / 18)
    assert [change.label for change in found.verdicts[0].lost] == ["blue", "green"]
    assert {image.outcome for image in found.changed} == {"broken"}
    assert "accuracy 100.0 % -> 33.3 %, -66.7 points" in str(found)


def test_the_same_model_twice_differs_in_nothing(right: Path) -> None:
    found = compare(right, right)
    paired = found.verdicts[0].paired
    assert (paired.difference, paired.gained, paired.lost, paired.p_value) == (0, 0, 0, 1)
    assert paired.interval[0] < 0 < paired.interval[1]
    assert found.changed == ()


def test_old_and_new_labels_are_kept_apart(tmp_path: Path, colours: Path, swapped: Path) -> None:
    """Cleaning the validation images moves the yardstick."""
    labels = {"green/000.png": "blue", "green/001.png": "blue", "blue/002.png": "-"}
    cleaned = write_run(tmp_path / "cleaned", colours, rows_of(colours, labels=labels), classes=SWAPPED)
    found = compare(swapped, cleaned)
    new, old = found.verdicts
    assert (new.labels_of, new.images, new.paired.second) == (str(cleaned), 17, 8 / 17)
    assert (old.labels_of, old.images, old.paired.second) == (str(swapped), 18, 6 / 18)
    assert old.about == f"2 images with other labels than in {cleaned} and 1 image that {cleaned} does not have"
    assert new.about == ""
    assert f"by the labels of {swapped} (18 images): 2 images with other labels" in str(found)


def test_an_image_that_one_was_trained_on_does_not_count(tmp_path: Path, colours: Path, right: Path) -> None:
    learned = {"red/000.png", "blue/001.png"}
    rows = [replace(row, split="train") if row.path in learned else row for row in rows_of(colours)]
    other = write_run(tmp_path / "other", colours, rows, classes=SWAPPED)
    found = compare(right, other)
    assert found.verdicts[0].images == 16
    assert f"left out: 2 images, because {other} was trained on them" in found.remarks
    assert not learned & {image.path for image in found.changed}


def test_an_image_is_known_by_its_content(tmp_path: Path, colours: Path, right: Path, swapped: Path) -> None:
    given = write_colours(tmp_path / "given", each=2, first=50)
    shutil.copy(colours / "red" / "011.png", given / "red" / "renamed.png")  # a training image
    shutil.copy(given / "blue" / "050.png", given / "blue" / "again.png")
    found = compare(right, swapped, given)
    assert found.verdicts[0].images == 6
    assert f"left out: 1 image, because {right} was trained on them" in found.remarks
    assert f"6 images of {given} that neither was trained on" == found.source


def test_no_image_is_left(tmp_path: Path, colours: Path, right: Path) -> None:
    rows = [replace(row, split="train" if row.split == "valid" else "valid") for row in rows_of(colours)]
    other = write_run(tmp_path / "other", colours, rows)
    with pytest.raises(RunError, match=r"no image is left to compare on .*was trained on them.*name images"):
        compare(right, other)


def test_runs_without_validation_images(tmp_path: Path, colours: Path) -> None:
    first, second = (write_run(tmp_path / name, colours, rows_of(colours, valid=0)) for name in ("first", "second"))
    with pytest.raises(RunError, match=r"no image is left to compare on .there are no validation images.; name"):
        compare(first, second)


def test_bundles_alone_need_images(tmp_path: Path, right: Path) -> None:
    folder, archive = (write_tiny_bundle(tmp_path / name, classes=SWAPPED) for name in ("bundle", "bundle.zip"))
    given = write_colours(tmp_path / "given", each=2, first=50)
    with pytest.raises(RunError, match=r"is a bundle, which does not say which images it was trained on; name images"):
        compare(right, archive)
    for first in (folder, archive):
        found = compare(first, right / "bundle", given)
        assert (found.verdicts[0].images, found.verdicts[0].paired.second) == (6, 1)
        assert f"{first} is a bundle: whether it was trained on some of these images is not known" in found.remarks
    with pytest.raises(BundleRefused):
        compare(tmp_path / "nothing", right, given)


def test_images_marked_as_train_do_not_count_for_a_bundle(tmp_path: Path, right: Path, colours: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", classes=SWAPPED)
    found = compare(bundle, bundle, right / "catalog.csv", root=colours)
    assert found.verdicts[0].images == 18
    assert any("they are marked as train" in remark for remark in found.remarks)


def test_classes_that_only_one_has_are_listed(tmp_path: Path, colours: Path, right: Path) -> None:
    classes, labels = ("red", "green", "navy"), {f"blue/{number:03}.png": "navy" for number in range(12)}
    other = write_run(tmp_path / "other", colours, rows_of(colours, labels=labels), classes=classes)
    found = compare(right, other)
    assert found.classes == ("red", "green")
    assert [model.only for model in found.models] == [("blue",), ("navy",)]
    assert f"only in {other}, and not compared: 1 class: 'navy'" in found.remarks
    assert any(remark.startswith("left out: 6 images, because the models do not share") for remark in found.remarks)
    assert found.verdicts[0].images == 12


def test_no_class_in_common(tmp_path: Path, right: Path) -> None:
    other = write_tiny_bundle(tmp_path / "other", classes=("cat", "dog", "owl"))
    with pytest.raises(RunError, match=r"have no class in common .'red', 'green', 'blue'; 'cat', 'dog', 'owl'"):
        compare(right, other, tmp_path)


def test_another_task(tmp_path: Path, right: Path) -> None:
    other = write_tiny_bundle(tmp_path / "other", task="multilabel")
    with pytest.raises(RunError, match=r"gives each image one label, and .* any number of labels"):
        compare(right, other, tmp_path)


def test_several_labels_an_image(tmp_path: Path, colours: Path) -> None:
    labels = {f"red/{number:03}.png": "" for number in range(3)}
    rows = rows_of(colours, labels=labels)
    first, second = (
        write_run(tmp_path / name, colours, rows, classes=classes, delimiter=";")
        for name, classes in (("first", SWAPPED), ("second", RIGHT))
    )
    found = compare(first, second)
    (verdict,) = found.verdicts
    assert found.metric == "micro F1"
    assert verdict.images == 18
    assert verdict.paired.second > verdict.paired.first
    assert (verdict.paired.gained, verdict.paired.lost) == (24, 0)  # 12 images, 2 labels each
    assert {change.label: (change.first, change.second) for change in verdict.gained} == {
        "green": (0, 1),
        "blue": (0, 1),
    }
    assert {image.outcome for image in found.changed} == {"fixed"}
    given = tmp_path / "given.csv"
    given.write_text("path,label\n" + "".join(f"blue/{number:03}.png,blue;red\n" for number in range(3)))
    assert compare(first, second, given, root=colours).verdicts[0].paired.second == pytest.approx(2 / 3)


def test_other_data_is_read_as_that_of_the_second_run_or_as_asked(tmp_path: Path, right: Path, swapped: Path) -> None:
    given = write_colours(tmp_path / "given", each=2, first=50)
    table = given / "table.csv"
    table.write_text("path,kind\n" + "".join(f"{colour}/050.png,{colour}\n" for colour in RIGHT))
    assert compare(swapped, right, table, label_column="kind").verdicts[0].images == 3
    deep = tmp_path / "deep"
    for colour in RIGHT:
        shutil.copytree(given / colour, deep / colour / "shop")
    assert compare(swapped, right, deep, class_level=1).verdicts[0].images == 6
    with pytest.raises(RunError, match=r"`class_level` is about the reading of other images"):
        compare(swapped, right, class_level=1)
    with pytest.raises(CatalogError, match=r"there is no such folder or file"):
        compare(swapped, right, tmp_path / "nowhere")


def test_images_that_were_moved(tmp_path: Path, colours: Path, right: Path, swapped: Path) -> None:
    moved = colours.rename(tmp_path / "moved")
    with pytest.raises(
        RunError, match=r"18 validation images of .* cannot be found in .*name their folder with `root`"
    ):
        compare(swapped, right)
    assert compare(swapped, right, root=moved).verdicts[0].images == 18


def test_images_that_have_changed(colours: Path, right: Path, swapped: Path) -> None:
    shutil.copy(colours / "red" / "000.png", colours / "blue" / "000.png")
    with pytest.raises(RunError, match=r"1 validation image changed since the training .blue/000.png."):
        compare(swapped, right)


def test_images_that_cannot_be_decoded_are_left_out(tmp_path: Path, right: Path, swapped: Path) -> None:
    given = write_colours(tmp_path / "given", each=2, first=50)
    (given / "red" / "broken.png").write_text("not an image")
    found = compare(swapped, right, given)
    assert found.verdicts[0].images == 6
    assert any("left out: 1 image that a service refuses: red/broken.png" in remark for remark in found.remarks)
    for path in given.glob("*/*.png"):
        path.write_text(f"not an image {path}")
    with pytest.raises(RunError, match=r"no image is left to compare on .*name images that can be decoded"):
        compare(swapped, right, given)


def test_near_duplicates_are_less_evidence_than_other_images(colours: Path, right: Path, swapped: Path) -> None:
    """By the features of a run that has all of the images."""
    alone = compare(swapped, right).verdicts[0]
    scenes = {row.path: number // 3 for number, row in enumerate(rows_of(colours))}
    random = np.random.default_rng(0)
    centres = random.normal(size=(12, 32))
    features = np.stack([centres[scene] + 0.01 * random.normal(size=32) for scene in scenes.values()])
    np.save(right / "features.npy", features.astype(np.float16))
    grouped = compare(swapped, right).verdicts[0]
    assert (alone.images, alone.units) == (18, 18)
    assert (grouped.images, grouped.units) == (18, 6)
    assert grouped.paired.difference == alone.paired.difference
    assert grouped.paired.interval[0] < alone.paired.interval[0]
    assert grouped.paired.p_value > alone.paired.p_value


def test_runs_on_different_images(tmp_path: Path, right: Path) -> None:
    elsewhere = write_colours(tmp_path / "elsewhere", first=100)
    other = write_run(tmp_path / "other", elsewhere, rows_of(elsewhere, valid=103), classes=SWAPPED)
    found = compare(right, other)
    (verdict,) = found.verdicts
    assert (verdict.images, verdict.labels_of) == (18 + 9, "both")
    assert any("validation images: 18 in" in remark and "9 in" in remark for remark in found.remarks)


def test_a_run_that_is_not_finished(right: Path, swapped: Path) -> None:
    shutil.rmtree(swapped / "bundle")
    with pytest.raises(RunError, match=r"has no bundle yet; continue the run"):
        compare(right, swapped)
