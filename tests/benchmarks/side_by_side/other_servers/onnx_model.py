"""The exported model under onnxruntime, with Pillow and NumPy before it: what people write without torchvision.

MODEL_FILE   model.onnx, or model.int8.onnx
DRAFT        1: a JPEG is scaled while it is decoded, as the service does it; few people know of this
"""
# mypy: disable-error-code="import-untyped"

import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image, ImageOps


class OnnxModel:
    """A session and what its images need."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        self.facts = json.loads((folder / "model.json").read_text())
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        file = folder / os.environ.get("MODEL_FILE", "model.onnx")
        self.session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.draft = os.environ.get("DRAFT") == "1"

    def label(self, image: Image.Image) -> str:
        """The most probable class."""
        (probabilities,) = self.session.run(["probabilities"], {"image": self.prepare(image)})
        return str(self.facts["classes"][int(probabilities[0].argmax())])

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """uint8 [1, size, size, 3]; scaling, mean and standard deviation are inside the ONNX graph."""
        size, short = self.facts["size"], self.facts["resize_short"]
        if self.draft:
            image.draft("RGB", (2 * short, 2 * short))
        scale = short / min(image.size)
        resample = Image.Resampling[self.facts["filter"].upper()]
        image = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)), resample)
        ImageOps.exif_transpose(image, in_place=True)  # a small image is turned sooner than a large one
        left, top = (image.width - size) // 2, (image.height - size) // 2
        return np.asarray(image.crop((left, top, left + size, top + size)))[np.newaxis]
