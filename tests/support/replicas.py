"""Run by torchrun: a few steps of the whole network, after which each process writes the state that it came to."""

from __future__ import annotations

import sys
from pathlib import Path

import safetensors.torch
import torch

from trainer.catalog import read_catalog
from trainer.cli.exit import leaving_at_once
from trainer.data import Decoding, prepare
from trainer.model import Classifier, load_backbone
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, Recipe
from trainer.training.distributed import init_distributed
from trainer.training.finetune import Finetuner


def main(photos: Path, folder: Path) -> None:
    """Train on the photos with norms that learn, two images a step; write folder/RANK.safetensors."""
    backbone = load_backbone("tiny")
    with init_distributed() as processes:
        data = prepare(read_catalog(photos), backbone.pixels, seed=0, decoding=Decoding(folder, threads=1)).data
        model = Classifier(backbone, class_count=data.class_count, dropout=0.2)
        with torch.no_grad():
            model.head.weight.fill_(float(processes.rank))
        processes.align(model)
        recipe = Recipe(whole=FinetuneRecipe(epochs=1, batch_size=2, lr=0.01, clip_norm=1.0))
        stage = Finetuner(model, data, recipe, size=32, device=processes.device("cpu"), processes=processes)
        stage.run_epoch(progress=NoProgress(), on_step=lambda: None)
        tensors, _ = stage.state()
        safetensors.torch.save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            folder / f"{processes.rank}.safetensors",
        )


if __name__ == "__main__":
    with leaving_at_once():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
