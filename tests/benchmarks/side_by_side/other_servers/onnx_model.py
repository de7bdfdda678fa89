"""The exported model under onnxruntime, with Pillow and NumPy before it: what people write without torchvision."""
# mypy: disable-error-code="import-untyped"

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image


class OnnxModel:
    """A session and what its images need."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        self.facts = json.loads((folder / "model.json").read_text())
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def label(self, image: Image.Image) -> str:
        """The most probable class."""
        (probabilities,) = self.session.run(["probabilities"], {"image": self.prepare(image)})
        return str(self.facts["classes"][int(probabilities[0].argmax())])

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """uint8 [1, size, size, 3]; scaling, mean and standard deviation are inside the ONNX graph."""
        size, scale = self.facts["size"], self.facts["resize_short"] / min(image.size)
        resample = Image.Resampling[self.facts["filter"].upper()]
        image = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)), resample)
        left, top = (image.width - size) // 2, (image.height - size) // 2
        return np.asarray(image.crop((left, top, left + size, top + size)))[np.newaxis]
