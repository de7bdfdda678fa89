"""What is planted in the sample is found."""

from __future__ import annotations

from tests.benchmarks.check import score


def test_precision_and_recall_of_each_kind() -> None:
    scores = score(1, thorough=False)
    near = scores.pop("near-duplicates")
    assert set(scores) == {
        *("undecodable", "conflicting-labels", "exact-duplicates", "shortcuts", "wrong-suffix", "animated"),
        *("too-small", "too-dark", "too-light", "blurred", "one-colour"),
    }
    assert all(both == found == planted for both, found, planted in scores.values()), scores
    # A third of the planted near duplicates are moved by two of 64 pixels, as different scans are from each other.
    both, found, planted = near
    assert both / found >= 0.8
    assert both / planted >= 0.6
