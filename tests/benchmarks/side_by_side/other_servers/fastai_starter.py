"""fast.ai's starter app for course v3 (Starlette, one event loop, `learn.predict`), ported to fastai 2.

    python fastai_starter.py PORT

MODEL_DIR      what `artifacts.export` wrote
PROGRESS_BAR   1 for the progress bar that fastai prints for every prediction

The starter unpickles the learner that a training exported; this one is made around the same network instead, with
fastai's own transforms. Everything after it is as in the starter, its single process included.
"""
# mypy: disable-error-code="import-not-found, union-attr"

import json
import os
import sys
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import numpy as np
import timm
import uvicorn
from fastai.vision.all import (
    CategoryBlock,
    DataBlock,
    ImageBlock,
    Learner,
    Normalize,
    PILImage,
    RandomResizedCrop,
    accuracy,
)
from PIL import Image
from safetensors.torch import load_file
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse


def setup_learner() -> Learner:
    folder = Path(os.environ["MODEL_DIR"])
    facts = json.loads((folder / "model.json").read_text())
    network = timm.create_model(facts["architecture"], num_classes=len(facts["classes"]))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    filters = (getattr(Image.Resampling, facts["filter"].upper()), Image.Resampling.NEAREST)
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=facts["classes"], sort=False)),
        get_y=lambda item: facts["classes"][0],
        # To predict, it takes the middle square, resizes it to 1.14 x size and cuts the edges off.
        item_tfms=RandomResizedCrop(facts["size"], ratio=(1, 1), resamples=filters),
        batch_tfms=Normalize.from_stats(facts["mean"], facts["std"]),
    )
    # A learner cannot be made without training data, although it only predicts.
    images = [np.zeros((facts["resize_short"], facts["resize_short"], 3), np.uint8)] * 2
    return Learner(block.dataloaders(images, bs=1, device="cpu"), network, metrics=accuracy)


learn = setup_learner()
bar = nullcontext if os.environ["PROGRESS_BAR"] == "1" else learn.no_bar
app = Starlette()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_headers=["X-Requested-With", "Content-Type"])


async def analyze(request: Request) -> JSONResponse:
    img_data = await request.form()
    img_bytes = await img_data["file"].read()
    img = PILImage.create(BytesIO(img_bytes))
    with bar():
        prediction = learn.predict(img)[0]
    return JSONResponse({"result": str(prediction)})


app.add_route("/analyze", analyze, methods=["POST"])

if __name__ == "__main__":
    uvicorn.run(app=app, host="127.0.0.1", port=int(sys.argv[1]), log_level="info")
