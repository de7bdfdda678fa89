"""The edits of edits.jsonl while they grow: which are in force, and what was done last.

A person does several things at once: relabel twenty images, keep one of a group. The edits of one such action have ids
that start with the id of the action and a dot, so that they are undone together.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from trainer.cleaning.edits import Edit, Kind


def new_action() -> str:
    """Return the id of a new action."""
    return secrets.token_hex(8)


def edit_id(action: str, number: int) -> str:
    """Return the id of an edit of an action."""
    return f"{action}.{number}"


def action_of(edit: Edit) -> str:
    """Return the id of the action that an edit belongs to: its own, if it was made alone."""
    return edit.id.partition(".")[0]


class EditHistory:
    """Edits in their order. To add one costs as much as what it changes, however many there are."""

    def __init__(self) -> None:
        self._edits: dict[str, Edit] = {}
        self._numbers: dict[str, int] = {}  # id -> its place in the order
        self._undone: defaultdict[str, int] = defaultdict(int)  # id -> how many undos in force take it back
        self._of_image: defaultdict[str, list[Edit]] = defaultdict(list)
        self._actions: dict[str, list[Edit]] = {}
        self._counts: Counter[Kind] = Counter()  # in force

    def __len__(self) -> int:
        return len(self._edits)

    def add(self, edits: Iterable[Edit]) -> set[str]:
        """Add edits at the end. Returns the hashes of the images that they are about, by undos as well."""
        touched: set[str] = set()
        for edit in edits:
            if edit.id in self._edits:  # a line that was copied: it counts once
                continue
            self._numbers[edit.id] = len(self._edits)
            self._edits[edit.id] = edit
            self._counts[edit.kind] += 1
            self._actions.setdefault(action_of(edit), []).append(edit)
            for digest in edit.sha256:
                self._of_image[digest].append(edit)
            touched.update(edit.sha256)
            if edit.kind == "undo":
                self._take_back(edit, 1, touched)
        return touched

    def of_image(self, digest: str) -> list[Edit]:
        """Return the edits in force that name this image, in order."""
        return [edit for edit in self._of_image.get(digest, ()) if self.is_in_force(edit)]

    def number(self, edit: Edit) -> int:
        """Return the place of an edit in the order, from 0."""
        return self._numbers[edit.id]

    def is_in_force(self, edit: Edit) -> bool:
        """Whether no undo in force takes this edit back."""
        return not self._undone.get(edit.id)

    def in_force(self) -> Iterator[Edit]:
        """Yield the edits in force, in order, without undos."""
        return (edit for edit in self._edits.values() if edit.kind != "undo" and self.is_in_force(edit))

    def images_of(self, edit: Edit) -> set[str]:
        """Return the hashes of the images that an edit is about; of an undo those of what it takes back."""
        found, waiting, seen = set[str](), [edit], set[str]()
        while waiting:
            each = waiting.pop()
            found.update(each.sha256)
            new = {name for name in each.undoes if name in self._edits} - seen
            seen |= new
            waiting += [self._edits[name] for name in new]
        return found

    def count(self, kind: Kind) -> int:
        """Return how many edits of a kind are in force."""
        return self._counts[kind]

    def action(self, name: str) -> Sequence[Edit]:
        """Return the edits of an action; none if there is no such action."""
        return self._actions.get(name, ())

    def actions_from_the_last(self) -> Iterator[tuple[str, Sequence[Edit]]]:
        """Yield every action with its edits, the last one first."""
        return reversed(self._actions.items())

    def _take_back(self, undo: Edit, count: int, touched: set[str]) -> None:
        """Count an undo that comes into force (1), or is taken back itself (-1)."""
        waiting = [(undo, count)]
        while waiting:
            undo, count = waiting.pop()
            for name in undo.undoes:
                target = self._edits.get(name)
                if target is None or self._numbers[name] >= self._numbers[undo.id]:  # only what is earlier
                    continue
                was_in_force = self.is_in_force(target)
                self._undone[name] += count
                touched.update(target.sha256)
                if was_in_force == self.is_in_force(target):
                    continue
                self._counts[target.kind] += -1 if was_in_force else 1
                if target.kind == "undo":
                    waiting.append((target, -1 if was_in_force else 1))
