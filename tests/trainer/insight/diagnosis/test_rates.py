from __future__ import annotations

import numpy as np
import pytest

from tests.trainer.insight.diagnosis.curves import COMMANDS, curve
from trainer.insight.diagnosis.curve import Curve
from trainer.insight.diagnosis.rates import rate_too_high, rate_too_low
from trainer.insight.diagnosis.sweep import Sweep

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


def test_nothing_is_said_of_the_rate_where_the_whole_network_was_not_trained() -> None:
    head = curve(train_error=[0.5], valid_error=[0.5], steps=[], rate=0.0, first=0)
    assert high(head) is None
    assert rate_too_low(head, sweep=None, explained=0.0, commands=COMMANDS) is None


@pytest.mark.parametrize(
    ("lowest", "confidence"), [(2e-4, None), (2.9e-4, None), (3.1e-4, "medium"), (1e-3, "high"), (1e-1, "high")]
)
def test_a_sweep_says_whether_a_rate_is_too_low(lowest: float, confidence: str | None) -> None:
    sweep = Sweep(lowest=lowest, highest=10 * lowest)
    finding = rate_too_low(SLOW, sweep=sweep, explained=0.0, commands=COMMANDS)
    assert (finding.confidence if finding else None) == confidence
    if finding:
        assert f"--lr {lowest:.2g} " in finding.command


def test_without_a_sweep_it_is_a_guess() -> None:
    finding = rate_too_low(SLOW, sweep=None, explained=0.0, commands=COMMANDS)
    assert finding
    assert finding.confidence == "low"
    assert "look alike" in finding.summary
    assert finding.evidence["final_train_error"] == pytest.approx(0.7)
