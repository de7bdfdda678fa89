"""Where the images of a training are, and how they are read: one section of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.recipe.knobs import check_settings, knob

DATA_GROUP = "Data"
ALLOW_BROKEN = 0.5  # if more cannot be decoded, the rest is hardly what a person means to train on
SIMILAR = "similar"  # the value of `group_by` that stands for near duplicates
SPLIT_RULES = ("auto", "random", "folder", "list", "none")


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where the images are. Empty: not given."""

    path: str = knob(
        "", "Folder, table (CSV, JSON lines, Parquet) or archive (zip, tar, tgz) of the images.", group=DATA_GROUP
    )
    valid: str = knob(
        "",
        "Second folder, table or archive, to validate on.",
        group=DATA_GROUP,
        option="valid",
        is_path=True,
        default_text="a part of the images",
    )
    root: str = knob(
        "",
        "Folder or archive that the paths in a table are relative to.",
        group=DATA_GROUP,
        option="root",
        is_path=True,
        default_text="the folder of the table",
    )
    path_column: str = knob("path", "Column of a table that holds the paths.", group=DATA_GROUP, option="path-column")
    label_column: str = knob(
        "label", "Column of a table that holds the labels.", group=DATA_GROUP, option="label-column"
    )
    label_delimiter: str = knob(
        "",
        "Character between the labels in one cell, such as ';': each image may have several labels (multilabel).",
        group=DATA_GROUP,
        option="label-delimiter",
        default_text="none: one label for each image",
    )
    coarse_column: str = knob(
        "",
        "Column of a table with a coarser label: its accuracy is reported too.",
        group=DATA_GROUP,
        option="coarse-column",
    )
    suffix: str = knob(
        "",
        "Suffix of the images, such as .jpg, if the paths in a table have none.",
        group=DATA_GROUP,
        option="suffix",
        default_text="none; if a path has no suffix, the only image of this name",
    )
    class_level: int = knob(
        0,
        "Level of the folder that is the label, counted from DATA: 1 is a folder directly in it.",
        group=DATA_GROUP,
        option="class-level",
        low=0,
        high=1_000,
        default_text="the image's own folder, or the nearest one above it if that is only a number, a date, a split "
        "or part_3",
    )
    pattern: str = knob(
        "",
        "Regular expression (of Python) whose first group is the label, searched for in / and the path from DATA. "
        "Example: '/([^/]+)_[0-9]+[.]jpg$'.",
        group=DATA_GROUP,
        option="pattern",
        default_text="none: labels are names of folders",
    )
    any_suffix: bool = knob(
        False,
        "Take files of a folder without the suffix of an image, too, if their content is an image.",
        group=DATA_GROUP,
        option="any-suffix",
    )
    merge_labels: bool = knob(
        False,
        "Join labels that differ only in case, blanks, _, - and Unicode form.",
        group=DATA_GROUP,
        option="merge-labels",
    )
    split: str = knob(
        "auto",
        "Which images are for validation: auto (as folders or a column split say, else random), random (whatever they "
        "say), folder (as they say; required), list (see `valid_list`), none (train on all images, "
        "and measure nothing).",
        group=DATA_GROUP,
        option="split",
        choices=SPLIT_RULES,
    )
    valid_list: str = knob(
        "",
        "Text file with the paths of the validation images, one a line.",
        group=DATA_GROUP,
        option="valid-list",
        is_path=True,
    )
    group_by: str = knob(
        "",
        "Keep images of one group (a person, a product, a video) in one split: a column of a CSV, or a regular "
        "expression whose first group is the name of the group, as in `pattern`; or 'similar': near duplicates.",
        group=DATA_GROUP,
        option="group-by",
    )
    source: str = knob("", "What was read, as messages name it: found out.", group=DATA_GROUP)
    labelled_by: str = knob("", "Where the labels come from: found out.", group=DATA_GROUP)
    base: str = knob("", "Folder that the paths of the run's catalog are relative to: found out.", group=DATA_GROUP)
    drawn: bool = knob(False, "Whether the validation images were drawn from the others: found out.", group=DATA_GROUP)

    def __post_init__(self) -> None:
        check_settings(self, "data.")
