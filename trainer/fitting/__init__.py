"""From arrays to a trained classifier: schedule, stages, metrics, history, checkpoints."""

from trainer.fitting.data import TrainingData
from trainer.fitting.devices import DeviceError, choose_device
from trainer.fitting.fit import BEST, LAST, FitError, Fitted, fit
from trainer.fitting.prepare import Prepared, prepare
from trainer.fitting.progress import Progress, Silence
from trainer.fitting.recipe import Recipe, RecipeError, read_recipe

__all__ = [
    "BEST",
    "LAST",
    "DeviceError",
    "FitError",
    "Fitted",
    "Prepared",
    "Progress",
    "Recipe",
    "RecipeError",
    "Silence",
    "TrainingData",
    "choose_device",
    "fit",
    "prepare",
    "read_recipe",
]
