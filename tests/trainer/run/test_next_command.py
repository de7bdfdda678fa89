from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from trainer.diagnosis import Remedy
from trainer.recipe import AbstentionRecipe, DataSource, FinetuneRecipe, Recipe, Sizes
from trainer.run.folder import RunFolder
from trainer.run.next_command import NextCommand, next_runs

FIT = Remedy(command="fit")
REGROUPED = Remedy(command="fit", regrouped=True)


def command_of(recipe: Recipe, *, root: Path) -> NextCommand:
    return NextCommand(run=RunFolder(Path("run")), recipe=recipe, root=root)


def line_of(command: NextCommand, remedy: Remedy) -> str:
    return command.render_all([remedy])[0]


def test_every_command_has_a_run_of_its_own(tmp_path: Path) -> None:
    """All of a diagnosis had the same: after the first of them, the others were refused."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run-3").mkdir()
    command = NextCommand(run=RunFolder(tmp_path / "run"), recipe=Recipe(), root=tmp_path)
    lines = command.render_all([FIT, None, Remedy(command="lr_find"), REGROUPED])
    assert [line.rpartition("/")[2] for line in (lines[0], lines[3])] == ["run-2", "run-4"]
    assert lines[1] == ""
    assert "--out" not in lines[2]


def test_a_command_uses_the_same_images_and_quotes_what_needs_quotes() -> None:
    data = DataSource(
        path="my photos/all.csv", valid="other.csv", root="my photos", base="/my photos", coarse_column="genus"
    )
    command = NextCommand(
        run=RunFolder(Path("runs/first one")),
        recipe=Recipe(data=data),
        root=Path("/my photos"),
    )
    assert shlex.split(line_of(command, Remedy(command="fit", changes={"lr": 0.1}))) == [
        "fieldguide", "fit", "my photos/all.csv", "--valid", "other.csv", "--root", "my photos",
        "--recipe", "runs/first one/recipe.toml", "--lr", "0.1", "--out", "runs/first one-2",
    ]  # fmt: skip
    assert shlex.split(line_of(command, Remedy(command="lr_find"))) == [
        "fieldguide", "lr-find", "my photos/all.csv", "--valid", "other.csv", "--root", "my photos",
        "--recipe", "runs/first one/recipe.toml",
    ]  # fmt: skip
    assert "'my photos/all.csv'" in line_of(command, FIT)
    assert shlex.split(line_of(command, REGROUPED)) == [
        "fieldguide", "fit", "runs/first one/catalog.csv", "--root", "/my photos",
        "--path-column", "path", "--label-column", "label", "--coarse-column", "coarse",
        "--recipe", "runs/first one/recipe.toml", "--split", "random", "--group-by", "similar",
        "--out", "runs/first one-2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DataSource(path="photos", drawn=True), "--group-by similar"),
        (DataSource(path="photos", drawn=True, split="random", group_by="scene"), "--group-by similar"),
        (DataSource(path="photos"), "--split random --group-by similar"),
        (DataSource(path="photos", split="list", valid_list="valid.txt"), "--split random --group-by similar"),
    ],
)
def test_near_duplicates_are_kept_together_by_another_draw_of_the_same_images(data: DataSource, words: str) -> None:
    line = line_of(command_of(Recipe(data=data), root=Path("/photos")), REGROUPED)
    assert line == f"fieldguide fit photos --recipe run/recipe.toml {words} --out run-2"


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"lr": 1e-05}, "--lr 1e-05"),
        ({"lr": 0.032}, "--lr 0.032"),
        ({"epochs": 9}, "--epochs 9"),
        ({"epochs": 0}, "--epochs 0"),
        ({"balance": "sampler"}, "--balance sampler"),
        ({"valid_fraction": 0.4}, "--valid-fraction 0.4"),
    ],
)
def test_changes_are_options(changes: dict[str, float | str], options: str) -> None:
    command = command_of(Recipe(data=DataSource(path="photos")), root=Path("/photos"))
    line = line_of(command, Remedy(command="fit", changes=changes))
    assert line == f"fieldguide fit photos --recipe run/recipe.toml {options} --out run-2"


def test_epochs_are_spread_over_the_sizes_in_proportion() -> None:
    sized = Recipe(data=DataSource(path="photos"), finetune=FinetuneRecipe(sizes=Sizes.parse("128:3,224:2")))
    command = command_of(sized, root=Path("/photos"))
    assert " --sizes 128:5,224:4 --out" in line_of(command, Remedy(command="fit", changes={"epochs": 9}))
    # The sizes of the recipe would give the epochs.
    assert " --sizes '' --epochs 0 --out" in line_of(command, Remedy(command="fit", changes={"epochs": 0}))


def test_the_next_run_has_the_first_free_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert next(next_runs(run)) == tmp_path / "run-2"
    (tmp_path / "run-2").mkdir()
    assert next(next_runs(run)) == tmp_path / "run-3"
    monkeypatch.chdir(run)
    assert next(next_runs(Path())) == tmp_path / "run-3"


def test_a_name_that_was_given_is_given_again(tmp_path: Path) -> None:
    """`fit` uses no name from a recipe file, because that may belong to other images."""
    photos = tmp_path / "photos.2026"
    photos.mkdir()
    data = DataSource(path=str(photos), base=str(photos))
    given = command_of(Recipe(data=data, name="my bears"), root=photos)
    assert " --name 'my bears' " in line_of(given, FIT)
    default = command_of(Recipe(data=data, name="photos.2026"), root=photos)
    assert "--name" not in line_of(default, FIT)
    data = DataSource(path=str(photos), valid="other", base=str(photos))
    table = command_of(Recipe(data=data, name="photos.2026"), root=photos)
    assert " --name photos.2026 " in line_of(table, REGROUPED)  # the default would be the name of the table


def test_after_the_images_were_moved_a_command_says_where_they_are(tmp_path: Path) -> None:
    """`resume --root` says where they are; the recipe says where they were."""
    now = tmp_path / "now"
    (now / "photos").mkdir(parents=True)
    (now / "others").mkdir()
    folders = DataSource(path="/then/photos", valid="/then/others", base="/then/photos")
    moved = command_of(Recipe(data=folders), root=now / "photos")
    assert shlex.split(line_of(moved, FIT))[2:5] == [str(now / "photos"), "--valid", str(now / "others")]
    assert f" {now / 'photos'} " in line_of(moved, Remedy(command="lr_find"))
    assert f" --root {now / 'photos'} " in line_of(moved, REGROUPED)

    (now / "all.csv").touch()
    beside = command_of(Recipe(data=DataSource(path="/then/all.csv", base="/then")), root=now)
    assert shlex.split(line_of(beside, FIT))[2:4] == [str(now / "all.csv"), "--recipe"]
    apart = command_of(Recipe(data=DataSource(path="/tables/some.csv", root="/then", base="/then")), root=now)
    assert shlex.split(line_of(apart, FIT))[2:5] == ["/tables/some.csv", "--root", str(now)]
    # The images were moved, the table was not.
    left = command_of(Recipe(data=DataSource(path="/then/some.csv", base="/then")), root=now)
    assert shlex.split(line_of(left, FIT))[2:5] == ["/then/some.csv", "--root", str(now)]


def test_a_list_of_validation_images_is_given_again_but_not_for_another_split() -> None:
    listed = command_of(Recipe(data=DataSource(path="photos", valid_list="v.txt")), root=Path("/photos"))
    assert line_of(listed, FIT) == "fieldguide fit photos --valid-list v.txt --recipe run/recipe.toml --out run-2"
    assert "--valid-list" not in line_of(listed, REGROUPED)
    drawn = command_of(Recipe(data=DataSource(path="photos", split="random", group_by="who")), root=Path("/photos"))
    assert line_of(drawn, FIT) == "fieldguide fit photos --recipe run/recipe.toml --out run-2"  # the recipe has both
    assert " --split random --group-by similar " in line_of(drawn, REGROUPED)


def test_the_images_to_calibrate_on_are_given_again_where_they_are_now(tmp_path: Path) -> None:
    """A recipe file never says which images to use."""
    now = tmp_path / "now"
    (now / "labelled").mkdir(parents=True)
    recipe = Recipe(
        data=DataSource(path="/then/photos", base="/then"),
        abstention=AbstentionRecipe(calibration="/then/labelled", max_error=0.02),
    )
    words = shlex.split(line_of(command_of(recipe, root=now), FIT))
    assert words[words.index("--calibration") + 1] == str(now / "labelled")
    assert "--max-error" not in words  # the recipe file says it
    assert "--calibration" not in line_of(command_of(recipe, root=now), Remedy(command="lr_find"))
