from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.support.bundles import make_image, write_tiny_bundle
from trainer.export.metrics import drift_reference, predict_files
from trainer.progress import NoProgress


def test_files_are_predicted_in_order_and_refused_ones_are_named(tmp_path: Path) -> None:
    predictor = Predictor(read_bundle(write_tiny_bundle(tmp_path / "bundle")))
    files = [tmp_path / name for name in ("red", "none", "blue", "cut")]
    files[0].write_bytes(make_image("red"))
    files[1].write_text("not an image")
    files[2].write_bytes(make_image("blue"))
    files[3].write_bytes(make_image("red")[:40])
    probabilities, refused = predict_files(predictor, files, threads=2, progress=NoProgress())
    expected = [predictor.predict(file.read_bytes()).probabilities for file in (files[0], files[2])]
    assert np.array_equal(probabilities, expected)
    assert list(refused) == [1, 3]
    assert refused[1].startswith("This is not an image in an accepted format")
    nothing, refused = predict_files(predictor, files[1:2], threads=1, progress=NoProgress())
    assert nothing.shape == (0, len(predictor.spec.classes))
    with pytest.raises(FileNotFoundError):
        predict_files(predictor, [tmp_path / "nowhere"], threads=1, progress=NoProgress())


def test_drift_reference_of_a_classifier() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.0, 1.0]], dtype=np.float32)
    found = drift_reference(probabilities, task="classification", thresholds=())
    assert found["class_fractions"] == [0.5, 0.5]
    assert sum(found["confidence_counts"]) == 4
    assert found["confidence_counts"][-1] == 1  # 1.0 is in the last bin
    assert (found["confidence_edges"][0], found["confidence_edges"][-1]) == (0.0, 1.0)


def test_drift_reference_of_a_multilabel_model_uses_its_thresholds() -> None:
    probabilities = np.array([[0.4, 0.4], [0.2, 0.9]], dtype=np.float32)
    assert drift_reference(probabilities, task="multilabel", thresholds=(0.3, 0.5))["class_fractions"] == [0.5, 0.5]
