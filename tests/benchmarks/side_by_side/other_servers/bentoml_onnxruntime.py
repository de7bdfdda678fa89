"""BentoML + onnxruntime: workers are processes, each with a session of its own.

    bentoml serve bentoml_onnxruntime:Classifier --port PORT

MODEL_DIR       what `artifacts.export` wrote
ONNX_THREADS    of each session
WORKERS         processes
SYNC_THREADS    requests that a worker runs at once
"""
# mypy: disable-error-code="import-not-found, untyped-decorator"

import os
from pathlib import Path

import bentoml
from onnx_model import OnnxModel
from PIL.Image import Image


@bentoml.service(workers=int(os.environ["WORKERS"]), threads=int(os.environ["SYNC_THREADS"]))
class Classifier:
    def __init__(self) -> None:
        self.model = OnnxModel(Path(os.environ["MODEL_DIR"]), threads=int(os.environ["ONNX_THREADS"]))

    @bentoml.api(route="/analyze")
    def analyze(self, file: Image) -> dict[str, str]:
        return {"result": self.model.label(file)}
