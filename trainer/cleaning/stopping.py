"""When to stop looking through a queue."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.cleaning.session import KEPT, NONE, RELABELLED

_FEW_RIGHT = 5  # in a row: fewer say little


def right_in_a_row(statuses: npt.NDArray[np.uint8]) -> int:
    """How many images were right since the last one that was not.

    Args:
        statuses: uint8 [M], of the images of a queue, in the order in which a person decided about them; see
            `session.STATUSES`.
    """
    decided = statuses[statuses != NONE]
    wrong = np.flatnonzero(decided != KEPT)
    return len(decided) - (int(wrong[-1]) + 1 if len(wrong) else 0)


def stop_line(statuses: npt.NDArray[np.uint8], *, expected: int | None) -> str | None:
    """A sentence that says what is probably left, once enough images in a row were right; None before that.

    Two estimates bound each other: how many wrong labels were expected and not found yet, and, by the rule of
    succession, one in k + 2 after k right ones in a row. The rest of a queue is less suspect than what was looked at.

    Args:
        statuses: As for `right_in_a_row`.
        expected: How many are wrong, estimated beforehand; None if nobody knows.
    """
    right, left = right_in_a_row(statuses), int((statuses == NONE).sum())
    if right < _FEW_RIGHT or not left:
        return None
    found = int((statuses >= RELABELLED).sum())
    about = round(left / (right + 2))
    if expected is not None:
        about = min(about, max(0, expected - found))
    rest = f"about {about:,} of the {left:,} left {'is' if about == 1 else 'are'} wrong"
    if not about:
        rest = f"probably hardly any of the {left:,} left is wrong"
    return f"The last {right:,} were right; {rest}."
