from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.bundle import read_bundle
from tests.benchmarks import sizes
from tests.support.photos import write_grouped_csv
from tests.support.trainer import trainer


def test_the_same_weights_are_evaluated_at_every_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, cache = tmp_path / "run", tmp_path / "cache"
    options = ("--backbone", "tiny", "--epochs", "1", "--device", "cpu", "--coarse-column", "warmth")
    result = trainer("fit", write_grouped_csv(tmp_path), "--out", run, "--cache", cache, *options)
    assert result.exit_code == 0, result.output
    monkeypatch.setattr(
        sys, "argv", ["sizes", str(run), "--cache", str(cache), "--sizes", "32", "64", "--threads", "1"]
    )
    sizes.main()
    header, _, own, larger = (line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:])
    bundle = read_bundle(run / "bundle")
    assert (own[0], larger[0]) == ("| 32", "| 64")
    # A single epoch is both the last and the best one.
    assert own[header.index("temperature")] == f"{bundle.spec.models['model.onnx'].temperature:.2f}"
    validation = bundle.metrics_of("model.onnx")["validation"]
    assert own[1] == f"{100 * validation['accuracy']:.1f} %"
    assert own[header.index("coarse")] == f"{100 * validation['coarse_accuracy']:.1f} %"
    assert "±" in larger[2]
