"""Names that a recipe refers to: of backbones, of their weights and of parameter groups."""

from __future__ import annotations

DEFAULT_BACKBONE = "efficientnet_lite0"
PRETRAINED = "pretrained"
RANDOM_WEIGHTS = "none"
PARAMETER_GROUPS = ("early", "late", "head")
