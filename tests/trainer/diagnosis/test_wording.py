from __future__ import annotations

from trainer.diagnosis import Finding, tell


def test_findings_are_told_in_two_lines_each_and_silence_in_one() -> None:
    assert tell(()) == "diagnosis: nothing stands out"
    finding = Finding(name="rate-too-low", confidence="low", summary="It is slow.", evidence={}, command="python -m x")
    assert tell((finding,)).splitlines() == [
        "diagnosis:",
        "  rate-too-low (confidence: low): It is slow.",
        "    try: python -m x",
    ]


def test_where_no_command_would_change_anything_none_is_told() -> None:
    finding = Finding(name="class-missing", confidence="high", summary="Add images.", evidence={}, command="")
    assert tell((finding,)).splitlines() == ["diagnosis:", "  class-missing (confidence: high): Add images."]
