"""What the page shows of the suspects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.cleaning import write_untrained_run
from tests.support.photos import draw, write_folder, write_tagged_csv
from trainer.catalog import Catalog
from trainer.cleaning.insight import find_insight, suspect_queues
from trainer.run.features import Features, read_features
from trainer.run.folder import RunFolder


def read(run: Path) -> tuple[Catalog, Features]:
    folder = RunFolder(run)
    catalog = folder.read_catalog(folder.read_recipe(), None)
    features = read_features(folder, count=len(catalog.rows))
    assert features is not None
    return catalog, features


@pytest.fixture
def colours(tmp_path: Path) -> tuple[Catalog, Features]:
    """80 images of each colour; three blue ones are green."""
    photos = write_folder(tmp_path / "photos", each=80)
    for number in range(3):
        draw("green", 100 + number).save(photos / "blue" / f"wrong-{number}.jpg", quality=95)
    return read(write_untrained_run(photos, tmp_path / "run"))


def test_what_is_wrong_comes_first_and_the_queue_ends_where_it_no_longer_pays(
    colours: tuple[Catalog, Features], tmp_path: Path
) -> None:
    catalog, features = colours
    found = find_insight(catalog, features, cache=tmp_path / "suspects.npz")
    queues = {queue.name: queue for queue in suspect_queues(found, classes=catalog.classes)}
    assert [*queues] == ["wrong", "off-topic", "least-sure"]
    wrong = queues["wrong"]
    assert {catalog.rows[image].path for image in wrong.ids[:3]} == {f"blue/wrong-{number}.jpg" for number in range(3)}
    assert len(wrong) == 50 < len(catalog.rows)
    assert wrong.expected in (2, 3)
    entry = wrong.entry(0)
    assert entry.proposal == "green"
    assert entry.probability is not None
    assert 0.5 < entry.probability <= 1
    assert entry.reason is not None
    assert entry.reason.startswith("A model that has not seen it says 'green', not 'blue'")
    assert len(queues["off-topic"]) == 20
    assert queues["off-topic"].entry(0).proposal is None
    unsure = queues["least-sure"]
    margins = found.probabilities[unsure.ids, 0] - found.probabilities[unsure.ids, 1]
    assert (np.diff(margins) >= 0).all()
    assert np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-3)


def test_a_file_is_used_only_for_the_same_images_labels_and_features(
    colours: tuple[Catalog, Features], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, features = colours
    cache = tmp_path / "suspects.npz"
    first = find_insight(catalog, features, cache=cache)
    with monkeypatch.context() as patch:
        patch.setattr("trainer.cleaning.insight.find_suspects", None)
        again = find_insight(catalog, features, cache=cache)
        changed = np.array(features)
        changed[0] += 1
        for other in ((catalog, changed), (catalog.without(catalog.rows[:1]), features[1:])):
            with pytest.raises(TypeError):  # it would be worked out again
                find_insight(*other, cache=cache)
    assert first.expected == again.expected
    for kind, suspects in first.suspects.items():
        assert (suspects.positions == again.suspects[kind].positions).all()
        assert suspects.reason(0, classes=catalog.classes) == again.suspects[kind].reason(0, classes=catalog.classes)


def test_a_folder_that_cannot_be_written_costs_only_time(colours: tuple[Catalog, Features], tmp_path: Path) -> None:
    catalog, features = colours
    found = find_insight(catalog, features, cache=tmp_path / "nowhere" / "suspects.npz")
    assert found.suspects.keys() == {"wrong", "off-topic"}


def test_an_image_without_features_is_in_no_queue(colours: tuple[Catalog, Features], tmp_path: Path) -> None:
    catalog, features = colours
    with_gap = np.array(features)
    with_gap[7] = np.nan
    found = find_insight(catalog, with_gap, cache=tmp_path / "suspects.npz")
    assert np.isnan(found.probabilities[7]).all()
    for queue in suspect_queues(found, classes=catalog.classes):
        assert 7 not in queue.ids


def test_with_several_labels_the_least_sure_are_near_one_half(tmp_path: Path) -> None:
    data = write_tagged_csv(tmp_path / "data", images=64)
    run = write_untrained_run(data, tmp_path / "run", label_column="tags", label_delimiter=";")
    catalog, features = read(run)
    found = find_insight(catalog, features, cache=tmp_path / "suspects.npz")
    queues = {queue.name: queue for queue in suspect_queues(found, classes=catalog.classes)}
    assert [*queues] == ["missing", "surplus", "off-topic", "least-sure"]
    distances = np.abs(found.probabilities[queues["least-sure"].ids] - 0.5).min(axis=1)
    assert (np.diff(distances) >= 0).all()
    assert (queues["least-sure"].entry(0).reason or "").startswith("A model that has not seen it is not sure: '")
    for position in range(5):
        image = queues["surplus"].ids[position]
        assert queues["surplus"].entry(position).proposal in catalog.rows[image].labels


def test_too_few_images_have_no_suspects(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=2)
    catalog, _ = read(write_untrained_run(photos, tmp_path / "run"))
    few = catalog.without(catalog.rows[4:])
    found = find_insight(few, np.full((4, 3), np.nan, dtype=np.float16), cache=tmp_path / "suspects.npz")
    assert suspect_queues(found, classes=few.classes) == []
