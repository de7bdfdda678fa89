from __future__ import annotations

import re
from importlib import resources

import pytest

from trainer.report.evidence import Fact, facts_of

_KEY = re.compile(r'"([a-z_]+)": ')


def words_of(fact: Fact) -> tuple[str, str]:
    return fact.name, fact.value.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("final_train_error", 0.0976, ("Training images predicted wrong at the end", "9.8 %")),
        ("fraction", 0.25, ("Of the validation images", "25.0 %")),
        ("accuracy_without", None, ("Correct, without one", "–")),
        ("interval", [0.5, 0.9123], ("95 % interval", "50.0 % to 91.2 %")),
        ("max_lr", 0.003888, ("Highest learning rate", "0.003888")),
        ("images", 1234, ("Images", "1,234")),
    ],
)
def test_evidence_is_in_words_and_percent(key: str, value: object, words: tuple[str, str]) -> None:
    assert words_of(facts_of({key: value})[0]) == words


def test_a_list_can_be_opened_in_full() -> None:
    """It ended at its eighth item: 'and 12 more'."""
    (fact,) = facts_of({"missing": [f"class {number}" for number in range(20)]})
    assert (*fact.items, *fact.more) == tuple(f"class {number}" for number in range(20))
    assert len(fact.items) == 6


def test_no_key_of_the_rules_is_shown_as_it_is() -> None:
    """Abbreviations are for programs."""
    rules = ("data_rules", "training_rules", "class_rules")
    text = "".join((resources.files("trainer.diagnosis") / f"{name}.py").read_text("utf-8") for name in rules)
    for key in {*_KEY.findall(text)} - {"lr", "epochs", "balance", "split", "valid_fraction", "interval"}:
        name = facts_of({key: 1})[0].name
        assert not re.search(r"\b(lr|valid|_)\b", name), name
