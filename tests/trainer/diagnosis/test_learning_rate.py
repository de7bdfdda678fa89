from __future__ import annotations

import numpy as np
import pytest

from tests.trainer.diagnosis.curves import COMMANDS, curve, sweep_of
from trainer.diagnosis.curve import Curve
from trainer.diagnosis.learning_rate import other_rate, rate_too_high, rate_too_low
from trainer.diagnosis.lr_evidence import Sweep

BURST = [2.3, *[3.5] * 10, *[2.3] * 10]
SLOW = curve(train_error=[0.9, 0.8, 0.7], valid_error=[0.9, 0.8, 0.7], rate=1e-4)


def high(found: Curve) -> str | None:
    """The confidence of the finding, where there is one."""
    finding = rate_too_high(found, commands=COMMANDS)
    return finding.confidence if finding else None


def test_too_high_a_rate_lets_the_loss_burst_and_spoils_what_is_learned() -> None:
    guessing = float(np.log(10))
    lost = curve(train_error=[0.9, 0.9], valid_error=[0.9, 0.9], train_loss=[9.0, guessing], steps=BURST)
    assert high(lost) == "high"
    assert high(curve(train_error=[0.9, 0.3], valid_error=[0.9, 0.3], steps=BURST)) == "medium"
    assert high(curve(train_error=[0.9, 0.1], valid_error=[0.9, 0.1], steps=BURST)) is None  # it came through
    calm = curve(train_error=[0.9, 0.9], valid_error=[0.9, 0.9], train_loss=[9.0, guessing], steps=[2.3] * 20)
    assert high(calm) is None  # nothing was learned, but nothing burst either


def test_too_high_a_rate_ruins_a_trained_head() -> None:
    steps = [0.5, 0.5, 0.5, *[4.0] * 10]
    worse = curve(train_error=[0.1, 0.15], valid_error=[0.1, 0.15], train_loss=[0.3, 0.6], steps=steps, first=0)
    assert high(worse) == "high"
    better = curve(train_error=[0.1, 0.05], valid_error=[0.1, 0.1], train_loss=[0.3, 0.2], steps=steps, first=0)
    assert high(better) is None


def test_a_network_that_learned_is_not_said_to_have_learned_nothing() -> None:
    """Worse than the trained head that it began with, it is far better than guessing all the same."""
    steps = [0.5, 0.5, 0.5, *[4.0] * 10]
    worse = curve(train_error=[0.1, 0.15], valid_error=[0.1, 0.15], train_loss=[0.3, 0.6], steps=steps, first=0)
    lost = curve(train_error=[0.1, 0.9], valid_error=[0.1, 0.9], train_loss=[0.3, 2.4], steps=steps, first=0)
    little = curve(train_error=[0.9, 0.3], valid_error=[0.9, 0.3], steps=BURST)
    came = {"worse": worse, "lost": lost, "little": little}
    told = {}
    for name, found in came.items():
        finding = rate_too_high(found, commands=COMMANDS)
        assert finding
        told[name] = finding.summary.rsplit(", and ")[1]
    assert told == {
        "worse": "the network ended worse than the trained head that it began with.",
        "lost": "nothing was learned in the end.",
        "little": "little was learned in the end.",
    }


def test_a_loss_that_bursts_back_to_guessing_is_too_high_a_rate_and_never_too_low_a_one() -> None:
    guessing = float(np.log(10))
    steps = [*np.linspace(2.3, 1.0, 20), *[2.3] * 40]
    back = curve(train_error=[0.9, 0.9], valid_error=[0.9, 0.9], train_loss=[1.0, guessing], steps=steps)
    assert high(back) == "high"
    assert rate_too_low(back, sweep=None, explained=0.0, commands=COMMANDS) is None


def test_nothing_is_said_of_the_rate_where_the_whole_network_was_not_trained() -> None:
    head = curve(train_error=[0.5], valid_error=[0.5], steps=[], rate=0.0, first=0)
    assert high(head) is None
    assert rate_too_low(head, sweep=None, explained=0.0, commands=COMMANDS) is None


@pytest.mark.parametrize(
    ("lowest", "confidence"), [(2e-4, None), (2.9e-4, None), (3.1e-4, "medium"), (1e-3, "high"), (1e-1, "high")]
)
def test_a_sweep_says_whether_a_rate_is_too_low(lowest: float, confidence: str | None) -> None:
    finding = rate_too_low(SLOW, sweep=sweep_of(lowest, 10 * lowest), explained=0.0, commands=COMMANDS)
    assert (finding.confidence if finding else None) == confidence
    if finding:
        assert f"--lr {lowest:.2g} " in finding.command


def test_without_a_sweep_it_is_a_guess() -> None:
    finding = rate_too_low(SLOW, sweep=None, explained=0.0, commands=COMMANDS)
    assert finding
    assert finding.confidence == "low"
    assert "look alike" in finding.summary
    assert finding.evidence["final_train_error"] == pytest.approx(0.7)


@pytest.mark.parametrize(("chosen", "confidence"), [(2e-4, None), (5e-4, "low"), (1e-2, "medium")])
def test_a_sweep_whose_loss_hardly_fell_says_up_to_where_it_did_not_rise(chosen: float, confidence: str | None) -> None:
    sweep = Sweep(lowest=chosen, highest=chosen, suggestion=chosen, rule="edge")
    finding = rate_too_low(SLOW, sweep=sweep, explained=0.0, commands=COMMANDS)
    assert (finding.confidence if finding else None) == confidence
    if finding:
        assert finding.summary.endswith(f"the loss, which hardly fell, began to rise only above {chosen:.2g}.")
        assert f"--lr {chosen:.2g} " in finding.command


def test_a_run_that_was_swept_is_not_told_to_sweep() -> None:
    sweep = sweep_of(0.01, 0.1)
    assert "lr-find" in other_rate(SLOW, sweep=None, commands=COMMANDS)
    assert "fit " in other_rate(SLOW, sweep=sweep, commands=COMMANDS)
    assert "--lr 0.032 " in other_rate(SLOW, sweep=sweep, commands=COMMANDS)
    at_it = curve(train_error=[0.9], valid_error=[0.9], rate=0.03)
    assert "--epochs 3 " in other_rate(at_it, sweep=sweep, commands=COMMANDS)
