"""From arrays to a trained classifier: schedule, stages, metrics, history, checkpoints."""

from trainer.fitting.data import TrainingData
from trainer.fitting.devices import DeviceError, choose_device
from trainer.fitting.errors import FitError, RecipeError
from trainer.fitting.fit import BEST, LAST, Fitted, fit
from trainer.fitting.prepare import Prepared, prepare
from trainer.fitting.processes import ALONE, Processes, ProcessLost, join_processes
from trainer.fitting.progress import Progress, Silence
from trainer.fitting.recipe import Recipe, read_recipe

__all__ = [
    "ALONE",
    "BEST",
    "LAST",
    "DeviceError",
    "FitError",
    "Fitted",
    "Prepared",
    "ProcessLost",
    "Processes",
    "Progress",
    "Recipe",
    "RecipeError",
    "Silence",
    "TrainingData",
    "choose_device",
    "fit",
    "join_processes",
    "prepare",
    "read_recipe",
]
