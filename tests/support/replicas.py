"""Run by torchrun: a few steps of fine-tuning, after which each process writes the state that it has."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from trainer.catalog import read_catalog
from trainer.cli.exit import exiting_at_once
from trainer.data import Decoding, prepare
from trainer.model import Classifier, load_backbone
from trainer.recipe import FinetuneRecipe, Recipe
from trainer.training.checkpoint import save_tensors
from trainer.training.distributed import init_distributed
from trainer.training.finetune import Finetuner
from trainer.training.session import open_session


def main(photos: Path, folder: Path) -> None:
    """Train on the photos with norms that learn, two images a step; write folder/RANK.safetensors."""
    backbone = load_backbone("tiny")
    with init_distributed() as distributed:
        data = prepare(read_catalog(photos), backbone.pixels, seed=0, decoding=Decoding(folder, threads=1)).data
        model = Classifier(backbone, class_count=data.class_count, dropout=0.2)
        with torch.no_grad():
            model.head.weight.fill_(float(distributed.rank))
        distributed.sync_module(model)
        recipe = Recipe(finetune=FinetuneRecipe(epochs=1, batch_size=2, lr=0.01, clip_norm=1.0))
        session = open_session(data.train, distributed.device("cpu"), distributed=distributed)
        finetuner = Finetuner(model, data, recipe, session)
        for samples in finetuner.start_epoch():
            finetuner.train_step(samples)
        finetuner.finish_epoch()
        save_tensors(folder / f"{distributed.rank}.safetensors", finetuner.state_dict()[0], {})


if __name__ == "__main__":
    with exiting_at_once():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
