"""The images that are most similar to one."""

from __future__ import annotations

import numpy as np

from trainer.cleaning.similar import SimilarImages


def test_the_most_similar_images_come_first_without_the_image_itself() -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(4, 16)).repeat(10, axis=0)
    features = (centres + 0.1 * random.normal(size=centres.shape)).astype(np.float16)
    similar = SimilarImages(features)
    for image in (0, 15, 39):
        found = similar.nearest(image, 8)
        assert len(found) == 8
        assert image not in [other for other, _ in found]
        assert {other // 10 for other, _ in found} == {image // 10}
        values = [similarity for _, similarity in found]
        assert values == sorted(values, reverse=True)


def test_an_image_without_features_is_similar_to_none() -> None:
    features = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float16)
    features[3] = np.nan
    similar = SimilarImages(features)
    assert similar.nearest(3, 8) == []
    found = similar.nearest(0, 20)
    assert sorted(other for other, _ in found) == [1, 2, 4, 5, 6, 7, 8, 9]
