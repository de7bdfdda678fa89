"""The edits in force while they are added one by one are those of the whole file."""

from __future__ import annotations

import numpy as np

from trainer.cleaning.edits import Edit, in_force
from trainer.cleaning.history import EditHistory, action_of, edit_id, new_action


def keep(name: str, digest: str = "a") -> Edit:
    return Edit(kind="keep", sha256=(digest,), labels=("ant",), id=name)


def undo(name: str, *undoes: str) -> Edit:
    return Edit(kind="undo", undoes=undoes, id=name)


def test_random_edits_are_in_force_as_in_the_whole_file() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        edits: list[Edit] = []
        history = EditHistory()
        for number in range(30):
            names = [f"{each}" for each in random.integers(0, number + 2, 2)]  # some are not there yet
            edit = undo(str(number), *set(names)) if number and random.random() < 0.6 else keep(str(number), names[0])
            edits.append(edit)
            history.add([edit])
            assert list(history.in_force()) == list(in_force(edits))
            assert history.count("keep") == len(in_force(edits))
            assert [edit for digest in "0123" for edit in history.of_image(digest)] == [
                edit for digest in "0123" for edit in in_force(edits) if edit.sha256 == (digest,)
            ]


def test_the_images_that_an_undo_is_about_are_reported() -> None:
    history = EditHistory()
    assert history.add([keep("1", "a"), keep("2", "b")]) == {"a", "b"}
    assert history.add([undo("3", "1", "unknown")]) == {"a"}
    assert history.add([undo("4", "3")]) == {"a"}
    assert history.images_of(undo("5", "4")) == {"a"}
    assert history.add([keep("1", "a")]) == set()  # a line that was copied


def test_a_long_chain_of_undos_is_followed() -> None:
    history = EditHistory()
    history.add([keep("0")])
    history.add([undo(str(number), str(number - 1)) for number in range(1, 1201)])
    assert history.of_image("a") == [keep("0")]
    history.add([undo("1201", "1200")])
    assert history.of_image("a") == []


def test_the_edits_of_an_action_belong_together() -> None:
    action = new_action()
    edits = [keep(edit_id(action, number), str(number)) for number in range(3)]
    assert {action_of(edit) for edit in edits} == {action}
    assert action_of(keep("alone")) == "alone"
    history = EditHistory()
    history.add([keep("alone"), *edits])
    assert history.action(action) == edits
    assert [name for name, _ in history.actions_from_the_last()] == [action, "alone"]
