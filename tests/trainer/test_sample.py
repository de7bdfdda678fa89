from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.pixels import PixelSpec, UndecodableImage, UnsupportedImage, load
from trainer.catalog import read_catalog, require_readable
from trainer.recipe import read_recipe
from trainer.sample import Planted, Sample, write_sample

SPEC = PixelSpec(size=64, resize_short=64)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return write_sample(tmp_path_factory.mktemp("here") / "new" / "sample")


def every(sample: Sample, fault: str) -> list[Planted]:
    return [planted for planted in sample.planted if planted.fault == fault]


def content(sample: Sample, path: str | None) -> bytes:
    return (sample.folder / str(path)).read_bytes()


def pixels(sample: Sample, path: str | None) -> np.ndarray:
    return load(content(sample, path), SPEC).pixels.astype(float)


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_a_dataset(sample: Sample) -> None:
    catalog = read_catalog(sample.folder)
    assert catalog.classes == tuple("0123456789")
    assert len(catalog.rows) == sample.files == 1797 - 20 + 28 + 1 + 3
    assert catalog.warnings == ()
    assert min(Counter(label for row in catalog.split("valid") for label in row.labels).values()) > 30


def test_all_images_but_two_can_be_decoded(sample: Sample) -> None:
    catalog = read_catalog(sample.folder)
    formats, sizes, unreadable = Counter[str](), Counter[tuple[int, int]](), {}
    for row in catalog.rows:
        try:
            picture = load(catalog.file_of(row).read_bytes(), SPEC)
        except (UnsupportedImage, UndecodableImage) as error:
            unreadable[row] = str(error)
        else:
            sizes[picture.width, picture.height] += 1
            formats[picture.format] += 1
    assert {row.path for row in unreadable} == {every(sample, fault)[0].path for fault in ("truncated", "not_an_image")}
    assert formats.pop("GIF") == 3
    assert set(formats) == {"PNG", "JPEG", "WEBP"}
    assert min(formats.values()) > 500
    assert set(sizes) == {(64, 64), (72, 72), (12, 12)}
    require_readable(len(catalog.rows), unreadable, allow_broken=0.1)
    assert len(catalog.without(unreadable).rows) == sample.files - 2


def test_the_list_of_faults_is_right(sample: Sample) -> None:
    written = json.loads(sample.planted_file.read_text())
    assert [Planted(**item) for item in written] == list(sample.planted)
    assert len({planted.path for planted in sample.planted}) == len(sample.planted)
    assert Counter(planted.fault for planted in sample.planted) == {
        "mislabelled": 27, "exact_duplicate": 16, "near_duplicate": 12, "truncated": 1, "not_an_image": 1,
        "stored_rotated": 1, "dark": 3, "light": 3, "blurred": 3, "one_colour": 3, "wrong_suffix": 3, "animated": 3,
        "tiny": 3, "class_by_size": 1,
    }  # fmt: skip
    assert sample.faulty_files == len(sample.planted) - 1
    assert len({planted.true_label for planted in sample.planted if planted.fault == "dark"} - {"4"}) > 1


def test_mislabelled_images_are_in_a_wrong_folder(sample: Sample) -> None:
    for planted in every(sample, "mislabelled"):
        assert planted.true_label in set("0123456789") - {planted.path[0]}


def test_exact_duplicates_are_byte_for_byte(sample: Sample) -> None:
    duplicates = every(sample, "exact_duplicate")
    for planted in duplicates:
        assert content(sample, planted.path) == content(sample, planted.duplicate_of)
        assert planted.true_label == str(planted.duplicate_of)[0]
    assert sum(planted.path[0] != planted.true_label for planted in duplicates) == 4
    contents = Counter(all_bytes(sample.folder).values())
    assert sum(contents.values()) - len(contents) == len(duplicates)  # there are no others


def test_every_image_of_one_digit_is_larger(sample: Sample) -> None:
    (planted,) = every(sample, "class_by_size")
    assert planted.path == "4"
    broken = {fault.path for fault in sample.planted if fault.fault in ("truncated", "not_an_image")}
    elsewhere = {fault.path for fault in every(sample, "exact_duplicate") if fault.path[0] != fault.true_label}
    for path in all_bytes(sample.folder).keys() - broken - elsewhere:
        with Image.open(sample.folder / path) as image:
            assert (image.width == 72) == path.startswith("4/"), path


def test_images_that_stand_out(sample: Sample) -> None:
    for fault, holds in {
        "dark": lambda image: image.max() < 50,
        "light": lambda image: image.min() > 200,
        "one_colour": lambda image: np.ptp(image.reshape(-1, 3), axis=0).max() == 0,
    }.items():
        assert all(holds(pixels(sample, planted.path)) for planted in every(sample, fault))
    for planted in every(sample, "animated"):
        with Image.open(sample.folder / planted.path) as image:
            assert getattr(image, "n_frames", 1) == 2
    for planted in every(sample, "wrong_suffix"):
        picture = load(content(sample, planted.path), SPEC)
        assert not planted.path.endswith({"JPEG": ".jpg"}.get(picture.format, f".{picture.format.lower()}"))


def test_near_duplicates_are_near(sample: Sample) -> None:
    for planted in every(sample, "near_duplicate"):
        original, other = pixels(sample, planted.duplicate_of), pixels(sample, planted.path)
        assert content(sample, planted.path) != content(sample, planted.duplicate_of)
        assert planted.path[0] == planted.true_label == str(planted.duplicate_of)[0]
        assert np.corrcoef(original.ravel(), other.ravel())[0, 1] > 0.9


def test_broken_files_are_broken_as_listed(sample: Sample) -> None:
    with pytest.raises(UndecodableImage, match="truncated"):
        load(content(sample, every(sample, "truncated")[0].path), SPEC)
    text = every(sample, "not_an_image")[0]
    assert text.path.endswith(".jpg")
    assert text.true_label is None
    with pytest.raises(UnsupportedImage):
        load(content(sample, text.path), SPEC)


def test_the_stored_rotated_image_loads_upright(sample: Sample) -> None:
    from sklearn.datasets import load_digits

    (planted,) = every(sample, "stored_rotated")
    number = int(Path(planted.path).stem.removeprefix("scan-"))
    ink = 1 - np.pad(load_digits().images[number], 1) / 16
    upright = np.asarray(Image.fromarray((ink * 255).astype(np.uint8)).resize((64, 64)), dtype=float)
    with Image.open(sample.folder / planted.path) as image:
        assert image.getexif()[0x0112] == 6
        stored = np.asarray(image, dtype=float)
    assert np.corrcoef(upright.ravel(), pixels(sample, planted.path)[..., 0].ravel())[0, 1] > 0.99
    assert np.corrcoef(upright.ravel(), stored.ravel())[0, 1] < 0.9


def test_the_outputs_next_to_the_folder(sample: Sample) -> None:
    names = ["sample", "sample-held-out", "sample-planted.json", "sample-recipe.toml"]
    assert sorted(path.name for path in sample.folder.parent.iterdir()) == names
    assert sample.held_out.is_dir()
    examples = all_bytes(sample.held_out)
    assert Counter(name[0] for name in examples) == dict.fromkeys("0123456789", 2)
    numbers = {Path(name).stem.split("-")[1] for name in all_bytes(sample.folder)}
    for name, image in examples.items():
        assert load(image, SPEC).format == "PNG"
        assert Path(name).stem.split("-")[1] not in numbers


def test_the_recipe(sample: Sample) -> None:
    recipe = tomllib.loads(sample.recipe_file.read_text())
    assert recipe["finetune"] == {"epochs": 4}
    assert recipe["augmentation"] == {"flip": 0.0, "rotation_degrees": 10.0, "scale_min": 0.7, "lighting": 0.2}
    assert read_recipe(sample.recipe_file, {}).augmentation.flip == 0
    assert "fieldguide fit DIR --recipe DIR-recipe.toml" in sample.recipe_file.read_text()


def test_one_seed_gives_one_sample(sample: Sample, tmp_path: Path) -> None:
    again = write_sample(tmp_path / "sample")
    assert all_bytes(again.folder.parent) == all_bytes(sample.folder.parent)
    assert again.planted == sample.planted
    other = write_sample(tmp_path / "other", seed=1)
    assert other.planted != sample.planted


@pytest.mark.parametrize("name", ["s", "s-held-out", "s-planted.json", "s-recipe.toml"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(FileExistsError, match=rf"{name}: exists already; give another folder"):
        write_sample(tmp_path / "s")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_all_four_outputs_are_written_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if target.name == "s":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        write_sample(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []
