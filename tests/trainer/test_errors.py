from __future__ import annotations

import inspect
import re

import pytest

from trainer import errors
from trainer.errors import ProcessLost, TrainerError

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and kind.__module__ == errors.__name__ and kind is not TrainerError
}


def test_the_tree_at_the_top_of_the_module_is_complete() -> None:
    tree = re.findall(r"^(?:│   |    )?[├└]── (\w+) ", str(errors.__doc__), flags=re.MULTILINE)
    assert sorted(tree) == sorted(CLASSES)
    assert all(issubclass(kind, TrainerError) for kind in CLASSES.values())


@pytest.mark.parametrize("name", CLASSES)
def test_wrong_use_and_failed_work_have_their_exit_codes(name: str) -> None:
    wrong_use = {"MissingPackages", "RecipeError", "DeviceError", "BackboneError", "WeightsError", "RunError"}
    wrong_use |= {"CheckError", "CleanError", "CollectError", "ImportModelError", "QuarantineError"}
    assert CLASSES[name].exit_code == (2 if name in wrong_use else 1)


def test_a_hint_follows_every_message() -> None:
    error = TrainerError("the disk is full")
    assert str(error) == "the disk is full"
    error.hint = "free some space"
    assert str(error) == "the disk is full; free some space"
    assert TrainerError.hint == ""


def test_a_lost_process_says_why_and_how_to_continue() -> None:
    text = str(ProcessLost(is_main=True, reason="connection closed"))
    assert text.startswith("another process of this training ended before its work was done (connection closed); ")
    assert text.endswith("`resume('RUN')`")
