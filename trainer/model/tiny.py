"""A network of under 100,000 parameters for 32-pixel images: it keeps tests fast."""

from __future__ import annotations

from torch import Tensor, nn

_WIDTHS = (16, 32, 64, 96)


class Tiny(nn.Module):
    """Four 3 x 3 convolutions, plain average pooling, one linear layer: float32 [N, 3, H, W] -> logits [N, K]."""

    def __init__(self, class_count: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in _WIDTHS:
            layers += [
                nn.Conv2d(channels, width, 3, stride=1 if channels == 3 else 2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, class_count)

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits of normalised images."""
        return self.fc(self.pool(self.layers(x)).flatten(1))  # type: ignore[no-any-return]
