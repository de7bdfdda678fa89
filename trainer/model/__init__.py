"""Backbones, the classifier on top of one, and its parameter groups."""

from trainer.model.backbones import Backbone, is_pretrained, load_backbone
from trainer.model.classifier import Classifier, parameter_groups, set_frozen

__all__ = [
    "Backbone",
    "Classifier",
    "is_pretrained",
    "load_backbone",
    "parameter_groups",
    "set_frozen",
]
