"""LitServe + onnxruntime: two workers, each a process with a session of its own.

    python litserve_onnxruntime.py PORT

MODEL_DIR      what `artifacts.export` wrote
ONNX_THREADS   of each session
FAST_QUEUE     1 for ZeroMQ between the processes, which LitServe recommends for more than a hundred requests a second
"""
# mypy: disable-error-code="import-not-found, misc"

import os
import sys
from pathlib import Path

import litserve as ls
from fastapi import Request
from onnx_model import OnnxModel
from PIL import Image


class Classifier(ls.LitAPI):
    def setup(self, device: str) -> None:
        self.model = OnnxModel(Path(os.environ["MODEL_DIR"]), threads=int(os.environ["ONNX_THREADS"]))

    def decode_request(self, request: Request) -> Image.Image:
        return Image.open(request["file"].file)

    def predict(self, x: Image.Image) -> str:
        label: str = self.model.label(x)
        return label

    def encode_response(self, output: str) -> dict[str, str]:
        return {"result": output}


if __name__ == "__main__":
    api = Classifier(api_path="/analyze")
    fast_queue = os.environ["FAST_QUEUE"] == "1"
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=2, fast_queue=fast_queue)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
