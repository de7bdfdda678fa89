"""Names that are imported when they are first used."""

from __future__ import annotations

import pytest

import trainer.diagnosis
import trainer.run
from trainer.lazy import lazy_names


@pytest.mark.parametrize("package", [trainer.run, trainer.diagnosis])
def test_every_name_is_that_of_its_module(package: object) -> None:
    for name, module in package._MODULES.items():  # type: ignore[attr-defined]
        found = getattr(package, name)
        assert found is getattr(__import__(f"{package.__name__}.{module}", fromlist=[name]), name)  # type: ignore[attr-defined]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'trainer\.run' has no attribute 'nothing'"):
        trainer.run.nothing  # noqa: B018
    assert not hasattr(trainer.run, "__path__x")
    with pytest.raises(AttributeError):
        lazy_names("trainer", {})("x")
