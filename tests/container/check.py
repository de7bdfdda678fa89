"""Asks a service in a container everything that matters; its answers are those of the same bundle here."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

import fieldguide

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
LARGEST_DIFFERENCE = 1e-4


def picture(number: int) -> Image.Image:
    """A picture of random blots; every number gives another one."""
    random = np.random.default_rng(number)
    small = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str) -> bytes:
    """The bytes of a file of this format."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


class Service:
    """The service at an address, and the same bundle in this process."""

    def __init__(self, url: str, bundle: str) -> None:
        self._url = url
        self._predictor = fieldguide.load(bundle)

    def checks(self) -> Iterator[tuple[str, Callable[[], bool]]]:
        """Name of each check, and what does it."""
        for number, kind in enumerate(FORMATS):
            yield f"same_answer_{kind.lower()}", lambda number=number, kind=kind: self._agrees(number, kind)
        yield "heatmap", self._heatmap
        yield "refuses_what_is_no_image", lambda: self._status("/v1/predict", b"hello") == 415
        yield "model_is_the_bundle", lambda: self._get("/v1/model")["digest"] == self._predictor.digest
        for path in ("/", "/page/style.css", "/metrics", "/livez", "/readyz"):
            yield f"get_{path.strip('/').replace('/', '_') or 'page'}", lambda path=path: self._status(path) == 200
        yield "openapi", lambda: self._get("/openapi.json")["openapi"].startswith("3.")

    def _agrees(self, number: int, kind: str) -> bool:
        data = encoded(picture(number), kind)
        answer = json.loads(self._open(f"/v1/predict?top_k={len(self._predictor.classes)}", data))
        expected = self._predictor.predict(data)
        found = {item["index"]: item["probability"] for item in answer["predictions"]}
        differences = [abs(float(expected.probabilities[index]) - value) for index, value in found.items()]
        same_label = answer["label"] == expected.label
        return answer["image"]["format"] == kind and same_label and max(differences) < LARGEST_DIFFERENCE

    def _heatmap(self) -> bool:
        if not self._predictor.has_heatmaps:
            return True
        answer = json.loads(self._open("/v1/predict?heatmap=true", encoded(picture(0), "JPEG")))
        return max(map(max, answer["heatmap"]["values"])) == 1

    def _get(self, path: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._open(path))
        return found

    def _status(self, path: str, data: bytes | None = None) -> int:
        try:
            self._open(path, data)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    def _open(self, path: str, data: bytes | None = None) -> bytes:
        headers = {} if data is None else {"Content-Type": "application/octet-stream"}
        with urllib.request.urlopen(urllib.request.Request(self._url + path, data, headers), timeout=20) as response:
            content: bytes = response.read()
        return content
