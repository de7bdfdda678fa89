"""From arrays to a trained classifier: schedule, stages, metrics, history, checkpoints."""

from trainer.fitting.data import TrainingData
from trainer.fitting.fit import LAST, fit
from trainer.fitting.fitted import BEST, Fitted
from trainer.fitting.hardware.devices import choose_device
from trainer.fitting.hardware.processes import ALONE, Processes, join_processes
from trainer.fitting.prepare import Prepared, prepare
from trainer.fitting.progress import Progress, Silence, Warnings
from trainer.fitting.recipe.reading import read_recipe
from trainer.fitting.recipe.recipe import Recipe

__all__ = [
    "ALONE",
    "BEST",
    "LAST",
    "Fitted",
    "Prepared",
    "Processes",
    "Progress",
    "Recipe",
    "Silence",
    "TrainingData",
    "Warnings",
    "choose_device",
    "fit",
    "join_processes",
    "prepare",
    "read_recipe",
]
