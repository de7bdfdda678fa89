from __future__ import annotations

import pytest

from trainer.progress import Step, Whole, in_words

EPOCHS = (Step(label=f"epoch {number}/3", cost=90) for number in (1, 2, 3))
STEPS = (Step(label="decode"), *EPOCHS, Step(label="export"))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def whole(clock: Clock) -> Whole:
    whole = Whole(clock)
    whole.plan(STEPS)
    return whole


def test_a_step_has_its_number_and_the_rest_its_time(whole: Whole, clock: Clock) -> None:
    whole.start("decode", 30, "images")
    clock.now = 60
    whole.done = 30
    assert whole.text == "step 1 of 5: decode"  # says nothing about the epochs
    whole.start("epoch 1/3", 30, "images")
    assert whole.text == "step 2 of 5: epoch 1/3"
    clock.now += 60
    whole.done = 10
    assert whole.percent == "33 %"
    assert whole.seconds_left == pytest.approx(480)
    assert whole.text == "step 2 of 5: epoch 1/3, about 8 min left"
    clock.now += 120
    whole.done = 30
    whole.start("epoch 2/3", 30, "images")
    assert whole.seconds_left == pytest.approx(360)
    clock.now += 90  # twice as fast
    whole.done = 30
    whole.start("export", 1, "files")
    assert whole.text == "step 5 of 5: export, less than a minute left"


def test_steps_that_are_left_out_are_passed_over(whole: Whole, clock: Clock) -> None:
    whole.start("epoch 3/3", 30, "images")
    clock.now = 60
    whole.done = 15
    assert whole.text == "step 4 of 5: epoch 3/3, about 1 min left"


def test_what_was_not_announced_has_no_number(whole: Whole) -> None:
    whole.start("epoch 2/3", 30, "images")
    whole.start("search", 10, "images")
    assert whole.text == "search"
    whole.start("epoch 3/3", 30, "images")
    assert whole.text.startswith("step 4 of 5: epoch 3/3")


def test_a_step_that_stopped_early_says_nothing_about_time(whole: Whole, clock: Clock) -> None:
    whole.start("epoch 1/3", 30, "images")
    clock.now = 1000
    whole.done = 1
    whole.start("export", 1, "files")
    assert whole.seconds_left is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(10, "less than a minute"), (95, "about 2 min"), (660, "about 11 min"), (7800, "about 2 h 10 min")],
)
def test_times_are_rounded(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
