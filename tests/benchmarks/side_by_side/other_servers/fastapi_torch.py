"""FastAPI + torch: the model loaded once, torchvision's transforms, a plain `def` that FastAPI runs in its threads.

    uvicorn fastapi_torch:app --port PORT --workers WORKERS

MODEL_DIR       what `artifacts.export` wrote
CHANNELS_LAST   1 for that memory format, which torch's tuning guide recommends for convolutions
"""
# mypy: disable-error-code="import-not-found, untyped-decorator"

import json
import os
from pathlib import Path

import timm
import torch
from fastapi import FastAPI, UploadFile
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

folder = Path(os.environ["MODEL_DIR"])
facts = json.loads((folder / "model.json").read_text())
memory_format = torch.channels_last if os.environ["CHANNELS_LAST"] == "1" else torch.contiguous_format
preprocess = transforms.Compose(
    [
        transforms.Resize(facts["resize_short"], transforms.InterpolationMode(facts["filter"])),
        transforms.CenterCrop(facts["size"]),
        transforms.ToTensor(),
        transforms.Normalize(facts["mean"], facts["std"]),
    ]
)
model = timm.create_model(facts["architecture"], num_classes=len(facts["classes"]))
model.load_state_dict(load_file(folder / "model.safetensors"))
model = model.eval().to(memory_format=memory_format)
app = FastAPI()


@app.post("/analyze")
def analyze(file: UploadFile) -> dict[str, str]:
    image = Image.open(file.file).convert("RGB")
    batch = preprocess(image).unsqueeze(0).to(memory_format=memory_format)
    with torch.inference_mode():
        index = model(batch).argmax().item()
    return {"result": facts["classes"][index]}
