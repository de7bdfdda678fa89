"""Backbones, the classifier on top of one, and what of it learns how fast."""

from trainer.model.backbones import Backbone, load_backbone
from trainer.model.classifier import Classifier
from trainer.model.groups import parameter_groups

__all__ = ["Backbone", "Classifier", "load_backbone", "parameter_groups"]
