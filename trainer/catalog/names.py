"""What the name of a folder says: a split, or nothing about what its images show; and names of this program's files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from trainer.catalog.row import SPLIT_NAMES, Split

# What `download` and `search` write beside the folders of the classes.
DOWNLOADS, SEARCHES, ATTRIBUTION = "downloads.jsonl", "searches.jsonl", "attribution.csv"
COLLECTED = frozenset({DOWNLOADS, SEARCHES, ATTRIBUTION})

# Further words for splits; `evaluation` depends on what else there is.
_FURTHER_WORDS: Mapping[str, Split] = {
    **SPLIT_NAMES,
    **dict.fromkeys(("training", "trn"), "train"),
    **dict.fromkeys(("dev", "eval", "validate", "evaluation"), "valid"),
    **dict.fromkeys(("testing", "tst"), "test"),
}
_EVALUATION = "evaluation"
_SET = r"(?:images?|imgs?|photos?|pictures?|data|dataset|set|split)"
_WORD = "|".join(sorted(_FURTHER_WORDS, key=len, reverse=True))
_SPLIT = re.compile(rf"(?:{_SET}[ _.-]*)?({_WORD})(?:[ _.-]*{_SET})?")
_PLACEHOLDER = re.compile(rf"{_SET}|all|none|unknown|un-?label+ed|no[ _-]?(?:class|label)s?")
_COUNTER = re.compile(r"[0-9]{1,6}|\([0-9]{1,6}\)")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_DATE = re.compile(
    rf"{_YEAR.pattern}(?:([ ._-]?){_MONTH}(?:\1{_DAY})?)?|{_DAY}[._-]{_MONTH}[._-]{_YEAR.pattern}|"
    rf"{_MONTH}[._-](?:{_DAY}[._-])?{_YEAR.pattern}"
)
_SHARD = re.compile(r"(?:shard|part|batch|fold|split|chunk)s?[ _.-]*\(?[0-9]{1,6}\)?(?:[ _-]*of[ _-]*[0-9]{1,6})?")


def split_folders(names: Collection[str]) -> dict[str, Split]:
    """Which of the folders beside each other are splits.

    The words of `SPLIT_NAMES` always are. Others (`Training`, `train_images`, `dev`, `Testing`) may be classes, and
    count only beside a folder of training images. `evaluation` is test beside a validation folder, else valid.

    Args:
        names: Of all folders beside each other, in any case.

    Returns:
        Name -> split.
    """
    splits = {name: SPLIT_NAMES[name.casefold()] for name in names if name.casefold() in SPLIT_NAMES}
    further = {name: _FURTHER_WORDS[word] for name in names if (word := _split_word(name))}
    if "train" not in further.values():
        return splits
    evaluations = {name for name in further if _split_word(name) == _EVALUATION}
    if any(split == "valid" for name, split in further.items() if name not in evaluations):
        further |= dict.fromkeys(evaluations, "test")
    return further


def is_split_name(name: str) -> bool:
    """Whether a folder is called like a split."""
    return bool(_split_word(name))


def is_number(name: str) -> bool:
    """Whether a name is a counter."""
    return _COUNTER.fullmatch(name) is not None


def is_year(name: str) -> bool:
    """Whether a name is a year, which is a number, too."""
    return _YEAR.fullmatch(name) is not None


def says_nothing(name: str) -> bool:
    """Whether a name is only a counter, a date, that of a split, or shard, part, batch, fold ... with a number."""
    folded = name.strip().casefold()
    return is_split_name(name) or any(shape.fullmatch(folded) for shape in (_COUNTER, _DATE, _SHARD))


def is_placeholder(name: str) -> bool:
    """Whether a folder is there only because programs want one above unlabelled images: `test/unknown/1.jpg`."""
    return says_nothing(name) or _PLACEHOLDER.fullmatch(name.strip().casefold()) is not None


def _split_word(name: str) -> str:
    """The word for a split in `train`, `train_images`, `images-train`, `TrainSet`; empty if there is none."""
    found = _SPLIT.fullmatch(name.strip().casefold())
    return found[1] if found else ""
