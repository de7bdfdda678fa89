from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.catalog.files import bears, put
from trainer.catalog import ReadOptions, read_catalog
from trainer.catalog.folder import read_folder
from trainer.errors import CatalogError


def labels(data: Path, **options: Any) -> dict[str, str]:
    return {row.path: "+".join(row.labels) for row in read_folder(data, ReadOptions(**options)).rows}


def splits(data: Path, **options: Any) -> dict[str, str]:
    return {row.path: row.split for row in read_folder(data, ReadOptions(**options)).rows}


def test_the_folder_that_holds_an_image_is_its_label(tmp_path: Path) -> None:
    put(tmp_path, "apple/1.jpg", "citrus/lemon/2.PNG", "citrus/lime/big ones/3.jpeg")
    assert labels(tmp_path) == {
        "apple/1.jpg": "apple",
        "citrus/lemon/2.PNG": "lemon",
        "citrus/lime/big ones/3.jpeg": "big ones",
    }
    source = read_folder(tmp_path)
    assert source.root == tmp_path.resolve()
    assert not source.has_splits
    assert source.remarks == ()


def test_other_files_are_counted_and_hidden_files_are_skipped(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "a/notes.txt", "b/2.tif", "b/3.tif", "LICENSE", "b/.DS_Store", ".git/x.jpg", "a/._1.jpg")
    source = read_folder(tmp_path)
    assert [row.path for row in source.rows] == ["a/1.jpg"]
    assert source.remarks == (
        f"{tmp_path}: files without the suffix of an image were ignored "
        "(4 other files, by suffix: '.tif' 2, '' 1, '.txt' 1).",
        f"{tmp_path}: 1 folders have no image that can be read: 'b' (2 .tif: not a format that is read).",
    )


def test_what_a_download_writes_beside_the_folders_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "downloads.jsonl", "searches.jsonl", "attribution.csv")
    assert read_folder(tmp_path).remarks == ()
    put(tmp_path, "a/attribution.csv")
    assert "1 other files, by suffix: '.csv' 1" in read_folder(tmp_path).remarks[0]


@pytest.mark.parametrize(
    "names", [("train", "valid", "test"), ("Train", "VAL", "Test"), ("train", "validation", "test")]
)
def test_split_folders_are_splits_and_not_classes(tmp_path: Path, names: tuple[str, str, str]) -> None:
    put(tmp_path, *(f"{name}/{label}/1.jpg" for name in names for label in ("a", "x/b")))
    source = read_folder(tmp_path)
    assert source.has_splits
    assert {(row.path.split("/")[0], row.split) for row in source.rows} == set(
        zip(names, ("train", "valid", "test"), strict=True)
    )
    assert {label for row in source.rows for label in row.labels} == {"a", "b"}
    assert source.remarks == ()  # no remark on a class that is in train and in valid


def test_images_outside_of_the_splits_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", "valid/a/2.jpg", "extra/a/3.jpg", "logo.png")
    source = read_folder(tmp_path)
    assert [row.path for row in source.rows] == ["train/a/1.jpg", "valid/a/2.jpg"]
    assert "2 images outside of train, valid and test were left out: 'extra', 'logo.png'" in source.remarks[0]


def test_a_test_folder_next_to_classes(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "test/a/2.jpg")
    assert [(row.path, row.split) for row in read_folder(tmp_path).rows] == [
        ("a/1.jpg", "train"),
        ("test/a/2.jpg", "test"),
    ]


@pytest.mark.parametrize("path", ["1.jpg", "train/1.jpg", "test/1.jpg"])
def test_images_outside_of_a_class_folder(tmp_path: Path, path: str) -> None:
    put(tmp_path, "train/a/0.jpg" if path.startswith("train") else "a/0.jpg", path)
    with pytest.raises(CatalogError, match=rf"1 images are not in a class folder \({path}\); put each into a folder"):
        read_folder(tmp_path)


def test_one_name_in_several_places_is_one_class(tmp_path: Path) -> None:
    put(tmp_path, "fruit/apple/1.jpg", "tree/apple/2.jpg", "tree/oak/3.jpg", "cafe\u0301/4.jpg", "caf\u00e9/5.jpg")
    assert set(labels(tmp_path).values()) == {"apple", "oak", "café"}
    (remark,) = read_folder(tmp_path).remarks
    assert "2 classes are merged from several folders with the same name: 'apple' (fruit/apple, tree/apple)" in remark


def test_remark_on_a_class_folder_inside_another(tmp_path: Path) -> None:
    put(tmp_path, "fruit/1.jpg", "fruit/new/apple/2.jpg")
    (remark,) = read_folder(tmp_path).remarks
    assert "1 class folders are inside of a folder that contains images itself" in remark
    assert "fruit/new/apple" in remark


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(
        CatalogError, match="there is no image here; give a folder that contains one folder of images for each"
    ):
        read_folder(tmp_path)
    put(tmp_path, "a/1.tif", "a/2.txt")
    with pytest.raises(CatalogError, match=r"no image here \(2 other files, by suffix: '.tif' 1, '.txt' 1\)"):
        read_folder(tmp_path)


def test_an_empty_label(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="folder 'a/ ': the label is empty"):
        read_folder(put(tmp_path, "a/ /1.jpg"))


def test_images_whose_name_no_table_can_hold_are_left_out_with_a_remark(tmp_path: Path) -> None:
    bears(tmp_path, each=1)
    put(tmp_path, "black/ü 熊 🐻,\"'.jpg", "black/line\nbreak.jpg")
    (tmp_path / os.fsdecode(b"black/caf\xe9.jpg")).write_bytes(b"")
    source = read_folder(tmp_path)
    assert [row.path for row in source.rows if row.path.startswith("black")] == [
        "black/00.jpg",
        "black/ü 熊 🐻,\"'.jpg",
    ]
    (remark,) = source.remarks
    assert "2 images were left out" in remark
    assert r"'black/caf\udce9.jpg', 'black/line\nbreak.jpg'" in remark
    assert remark.isprintable()


def test_links_are_followed_once(tmp_path: Path) -> None:
    data = put(tmp_path / "data", "a/1.jpg", "b/deep/2.jpg")
    put(tmp_path / "elsewhere", "c/3.jpg")
    (data / "c").symlink_to(tmp_path / "elsewhere" / "c")
    (data / "a" / "4.jpg").symlink_to(tmp_path / "elsewhere" / "c" / "3.jpg")
    (data / "0").symlink_to(data / "b" / "deep")  # sorts before the folder itself, which still is found in its place
    (data / "b" / "self").symlink_to(data / "b")
    (data / "b" / "root").symlink_to(data)
    (data / "b" / "up").symlink_to(tmp_path)
    (data / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (data / "a" / "loop.jpg").symlink_to(data / "a" / "loop.jpg")
    (tmp_path / "elsewhere" / "c" / "back").symlink_to(data)
    source = read_folder(data)
    assert [row.path for row in source.rows] == ["a/1.jpg", "a/4.jpg", "b/deep/2.jpg", "c/3.jpg"]
    broken, repeated = source.remarks
    assert "2 links are broken: 'a/gone.jpg', 'a/loop.jpg'" in broken
    assert "5 links were not followed, because the folder is read under another path" in repeated
    for link in ("0", "b/root", "b/self", "b/up", "c/back"):
        assert repr(link) in repeated


def test_data_may_be_a_link(tmp_path: Path) -> None:
    bears(tmp_path / "real", each=1)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_folder(tmp_path / "link").root == (tmp_path / "real").resolve()


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    bears(tmp_path, each=1)
    os.mkfifo(tmp_path / "black" / "pipe.jpg")
    source = read_folder(tmp_path)
    assert len(source.rows) == 3
    assert "1 other files, by suffix: '.jpg' 1" in source.remarks[0]


@pytest.mark.parametrize(
    "name",
    [
        *("split_3", "shard-00007", "part 2", "Batch1", "fold_0", "part_1_of_3", "chunk3", "part (2)"),
        *("2021", "2021-03", "2021-03-05", "20210305", "05.03.2021", "3", "0007", "(2)", "train", "Test_images"),
    ],
)
def test_a_name_that_says_nothing_leaves_the_class_to_the_folder_above(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"cat/{name}/1.jpg", f"dog/{name}/2.jpg", f"fox/{name}/{name}/3.jpg", "owl/4.jpg")
    assert set(labels(tmp_path).values()) == {"cat", "dog", "fox", "owl"}


@pytest.mark.parametrize(
    "name", ["party", "batch", "fold", "2021 model", "4006381333931", "c3", "3d", "training shoes", "1-2", "part_two"]
)
def test_other_names_are_classes(tmp_path: Path, name: str) -> None:
    assert labels(put(tmp_path, f"bing/{name}/1.jpg", "google/owl/2.jpg"))[f"bing/{name}/1.jpg"] == name


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("0/split_3/a.jpg", "0/split_4/b.jpg", "1/split_1/c.jpg"), {"0", "1"}),  # topmost folders are classes
        (("0/a.jpg", "1/b.jpg", "10/c.jpg"), {"0", "1", "10"}),
        (("mnist/0/a.jpg", "mnist/1/b.jpg"), {"0", "1"}),  # or those in the only folder
        (("mnist/0/part_1/a.jpg", "mnist/1/part_1/b.jpg"), {"0", "1"}),
        (("train/mnist/0/a.jpg", "train/mnist/1/b.jpg", "test/mnist/1/c.jpg"), {"0", "1"}),
        (("train/mnist/0/a.jpg", "train/mnist/1/b.jpg", "test/c.jpg", "extra/x/d.jpg"), {"0", "1"}),
        (("in/cat/2021/a.jpg", "in/dog/2021/b.jpg"), {"cat", "dog"}),
        (("cat/2021/a.jpg", "cat/2022/b.jpg"), {"cat"}),
        (("bing/grizzly/a.jpg", "google/grizzly/b.jpg", "bing/black/c.jpg"), {"grizzly", "black"}),
        (("train/Fruit/Apple/Golden/a.jpg", "train/Fruit/Kiwi/b.jpg"), {"Golden", "Kiwi"}),
    ],
)
def test_the_class_folder(tmp_path: Path, paths: tuple[str, ...], expected: set[str]) -> None:
    assert set(labels(put(tmp_path, *paths)).values()) == expected


def test_the_level_of_the_class_folder_can_be_given(tmp_path: Path) -> None:
    put(tmp_path, "cat/2021/a/1.jpg", "dog/2022/b/2.jpg")
    for level, expected in ((1, {"cat", "dog"}), (2, {"2021", "2022"}), (3, {"a", "b"})):
        assert set(labels(tmp_path, class_level=level).values()) == expected
    assert read_folder(tmp_path, ReadOptions(class_level=2)).labelled_by == "the folder at level 2"
    with pytest.raises(
        CatalogError, match=r"2 images have no class folder at level 4 \(cat/2021/a/1.jpg, .*`class_level`"
    ):
        read_folder(tmp_path, ReadOptions(class_level=4))


def test_where_the_labels_come_from(tmp_path: Path) -> None:
    put(tmp_path / "own", "a/1.jpg", "x/b/2.jpg")
    put(tmp_path / "above", "a/part_1/1.jpg", "b/part_2/2.jpg")
    assert read_folder(tmp_path / "own").labelled_by == "the image's own folder (levels 1 to 2)"
    assert read_folder(tmp_path / "above").labelled_by == "the folder at level 1"
    assert read_folder(tmp_path / "own", ReadOptions(pattern="([0-9])")).labelled_by == "the pattern '([0-9])'"


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [
        ("Training", "Validation", "Testing"),
        ("train_images", "val_images", "test_images"),
        ("TRAIN", "dev", "evaluation"),
        ("trainset", "eval", "test-set"),
        ("images_train", "valid", "tst"),
        ("training data", "Validation Data", "test"),
    ],
)
def test_splits_under_other_names(tmp_path: Path, train: str, valid: str, test: str) -> None:
    for above in ("", "dataset/", "a/b/"):
        data = put(
            tmp_path / (above.replace("/", "-") or "top"),
            *(f"{above}{name}/cat/1.jpg" for name in (train, valid, test)),
        )
        assert splits(data) == {
            f"{above}{train}/cat/1.jpg": "train",
            f"{above}{valid}/cat/1.jpg": "valid",
            f"{above}{test}/cat/1.jpg": "test",
        }


def test_evaluation_is_for_validation_if_nothing_else_is(tmp_path: Path) -> None:
    assert set(splits(put(tmp_path, "train/a/1.jpg", "evaluation/a/2.jpg")).values()) == {"train", "valid"}
    assert set(splits(put(tmp_path, "dev/a/1.jpg")).values()) == {"train", "valid", "test"}


def test_other_names_are_classes_without_a_folder_of_training_images(tmp_path: Path) -> None:
    put(tmp_path, "dev/1.jpg", "prod/2.jpg", "Testing/3.jpg")
    assert set(labels(tmp_path).values()) == {"dev", "prod", "Testing"}
    assert not read_folder(tmp_path).has_splits


def test_splits_inside_of_the_classes(tmp_path: Path) -> None:
    put(tmp_path, "cat/train/1.jpg", "cat/Testing/2.jpg", "dog/train/part_1/3.jpg", "dog/val/4.jpg")
    assert list(splits(tmp_path).values()) == ["test", "train", "train", "valid"]
    assert set(labels(tmp_path).values()) == {"cat", "dog"}


@pytest.mark.parametrize(
    "paths",
    [
        ("test/1.jpg", "test/2.jpg"),
        ("test/test/1.jpg", "test/test/2.jpg"),
        ("test/unknown/1.jpg", "test/unknown/2.jpg"),
        ("Testing/1.jpg", "Testing/images/2.jpg"),
    ],
)
def test_test_images_without_labels_are_left_out(tmp_path: Path, paths: tuple[str, ...]) -> None:
    put(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", *paths)
    source = read_folder(tmp_path)
    assert {row.split for row in source.rows} == {"train"}
    (remark,) = source.remarks
    assert f"2 test images have no label and were left out: {paths[0]!r}" in remark


def test_a_test_folder_of_another_class_is_not_left_out(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "test/wolf/3.jpg")
    assert "wolf" in labels(tmp_path).values()


def test_labelled_test_images_stay_beside_others(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "test/cat/3.jpg", "test/4.jpg")
    assert list(splits(tmp_path)) == ["test/cat/3.jpg", "train/cat/1.jpg", "train/dog/2.jpg"]


def test_a_class_that_is_called_train(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "bus/2.jpg", "test/3.jpg")
    with pytest.raises(CatalogError, match=r"if they are classes, add `split='random'` or `class_level=1`"):
        read_folder(tmp_path)
    for options in ({"split": "random"}, {"class_level": 1}):
        assert set(labels(tmp_path, **options).values()) == {"train", "bus", "test"}
        assert set(splits(tmp_path, **options).values()) == {"train"}


def test_folders_without_images_are_named_with_the_reason(tmp_path: Path) -> None:
    put(
        tmp_path, "cat/1.jpg", "fox/1.tif", "fox/raw/2.NEF", "masks/a/b/notes.txt", "owl/@eaDir/x.jpg", "cat/more/3.tif"
    )
    (tmp_path / "wolf" / "new").mkdir(parents=True)
    remark = next(remark for remark in read_folder(tmp_path).remarks if "have no image" in remark)
    assert remark.endswith(
        "5 folders have no image that can be read: 'cat/more' (1 .tif: not a format that is read), "
        "'fox' (1 .tif, 1 .NEF: not a format that is read), 'masks' (1 .txt: not a format that is read), "
        "'owl' (empty), 'wolf' (empty)."
    )


def test_heic_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.catalog.folder_remarks.formats", lambda: ("JPEG",))
    put(tmp_path, "cat/1.HEIC", "cat/2.heif", "dog/3.jpg")
    (remark,) = read_folder(tmp_path).remarks
    assert "2 images are HEIC by their suffix and cannot be read" in remark
    assert remark.endswith("HEIC is read only with an extra: pip install 'fieldguide[heic]'.")
    assert "'cat' 2" in remark


def test_files_that_may_be_images_are_named_with_the_option(tmp_path: Path) -> None:
    put(tmp_path, "cat/LICENSE", "cat/notes.txt")
    (tmp_path / "cat" / "photo").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(
        CatalogError, match=r"'cat/photo' and maybe others are images by their content: add `any_suffix=True`"
    ):
        read_folder(tmp_path)
    put(tmp_path, "cat/1.jpg")
    assert "add `any_suffix=True`." in read_folder(tmp_path).remarks[0]
    assert list(labels(tmp_path, any_suffix=True)) == ["cat/1.jpg", "cat/photo"]


def test_what_systems_leave_is_counted(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "cat/@eaDir/1.jpg/T.jpg", "dog/@eaDir/x.jpg", "$RECYCLE.BIN/S-1/y.jpg", "dog/2.jpg")
    (remark,) = read_folder(tmp_path).remarks
    assert remark.endswith("3 folders that systems leave were ignored: '@eaDir' 2, '$RECYCLE.BIN' 1.")


def test_a_pattern_gives_the_labels(tmp_path: Path) -> None:
    put(tmp_path, "Abyssinian_1.jpg", "great_pyrenees_173.jpg", "more/pug_2.jpg")
    assert list(labels(tmp_path, pattern=r"/([^/]+)_[0-9]+[.]jpg$").values()) == ["Abyssinian", "great_pyrenees", "pug"]
    with pytest.raises(CatalogError, match=r"finds no label in 1 of 3 paths \(Abyssinian_1.jpg\)"):
        labels(tmp_path, pattern=r"/([a-z_]+)_[0-9]+[.]jpg$")


def test_a_pattern_beside_splits(tmp_path: Path) -> None:
    put(tmp_path, "train/a_1.jpg", "test/b_2.jpg")
    assert list(splits(tmp_path, pattern="/([a-z])_").values()) == ["test", "train"]


def test_a_function_gives_the_labels(tmp_path: Path) -> None:
    put(tmp_path, "a1.jpg", "x/b2.jpg")
    assert list(labels(tmp_path, label=lambda path: path.stem[0]).values()) == ["a", "b"]
    with pytest.raises(CatalogError, match="the label is empty"):
        labels(tmp_path, label=lambda _path: "")
    with pytest.raises(CatalogError, match=r"a1.jpg: its label is None; give each image one label"):
        labels(tmp_path, label=lambda _path: None)


def test_a_function_gives_lists_of_labels(tmp_path: Path) -> None:
    put(tmp_path, "red-blue/1.jpg", "red/2.jpg", "red-green/3.jpg", "blue/4.jpg", "blue-green/5.jpg", "none/6.jpg")
    names = {"red", "green", "blue"}
    options = ReadOptions(label=lambda path: names & {*path.parent.name.split("-")})
    catalog = read_catalog(tmp_path, options)
    assert catalog.task == "multilabel"
    assert {row.path: row.labels for row in catalog.rows}["red-blue/1.jpg"] == {"red", "blue"}
    assert {row.path: row.labels for row in catalog.rows}["none/6.jpg"] == frozenset()
    with pytest.raises(CatalogError, match="give each image one label, or each a list of labels"):
        read_catalog(tmp_path, ReadOptions(label=lambda path: path.stem if path.stem == "3" else [path.stem]))


def test_labels_of_a_model_are_found_again(tmp_path: Path) -> None:
    put(tmp_path, "new/2021/1.jpg", "new/cat/2.jpg", "new/dog/train/3.jpg")
    rows = read_folder(tmp_path, known=("2021", "cat", "dog")).rows
    assert [*rows[0].labels, *rows[1].labels, *rows[2].labels] == ["2021", "cat", "dog"]
