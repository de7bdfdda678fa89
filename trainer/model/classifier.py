"""A backbone with one linear layer on top: pixels in, logits out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.model.backbones import Backbone


class Classifier(nn.Module):
    """Logits from pixels.

    body       the backbone; its batch norms keep the statistics that they were pretrained with (see `train`)
    head       the one linear layer that is new, starting from zero: every class is as likely at first
    dropout    probability before the head, in training
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, *, class_count: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = backbone.body
        self.head = nn.Linear(backbone.width, class_count)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.dropout = dropout
        self.train_norms = not backbone.pretrained
        # Given for pixels in 0..1; here pixels are 0..255.
        self.register_buffer("mean", 255 * torch.tensor(backbone.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(backbone.std).view(1, 3, 1, 1), persistent=False)

    def embed(self, pixels: Tensor) -> Tensor:
        """What goes into the head: float32 [N, 3, H, W] in 0..255 -> float32 [N, width]."""
        embedding: Tensor = self.body((pixels - self.mean) / self.std)
        return embedding

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits: float32 [N, 3, H, W] in 0..255 -> float32 [N, K]."""
        logits: Tensor = self.head(F.dropout(self.embed(pixels), self.dropout, self.training))
        return logits

    def train(self, mode: bool = True) -> Classifier:
        """Training mode, in which batch norms go on normalising with the statistics that they came with.

        Small batches of a few thousand images estimate them worse than ImageNet did, and the frozen head stage was
        trained on what they give. A body with random weights has no such statistics and must learn them.
        """
        super().train(mode)
        if mode and not self.train_norms:
            for module in self.body.modules():
                if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
                    module.eval()
        return self
