from __future__ import annotations

import pytest

from trainer.wording import counted, have


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 images have"), (1, "1 image has"), (2, "2 images have"), (2000, "2,000 images have")]
)
def test_a_number_of_one_is_singular(count: int, shown: str) -> None:
    assert f"{counted(count, 'image')} {have(count)}" == shown


def test_a_plural_that_is_not_the_singular_and_an_s() -> None:
    assert (counted(1, "class", "classes"), counted(3, "class", "classes")) == ("1 class", "3 classes")
