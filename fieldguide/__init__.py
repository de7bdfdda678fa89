"""fieldguide in Python: from a folder of photos to a classifier, and to its predictions.

    import fieldguide

    run = fieldguide.fit("photos", epochs=5)      # needs the extra: pip install 'fieldguide[trainer]'
    run.metrics["accuracy"], run.most_confused(5), run.top_losses(9)
    predictor = fieldguide.load(run.bundle)       # does not need torch
    predictor.predict("photo.jpg").best.label

Every name is imported when it is first used: this package alone imports nothing heavy.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldguide.calibrating import calibrate as calibrate
    from fieldguide.checking import Check as Check
    from fieldguide.checking import check as check
    from fieldguide.collecting import download as download
    from fieldguide.collecting import search as search
    from fieldguide.comparing import compare as compare
    from fieldguide.lr_sweeps import LRFind as LRFind
    from fieldguide.lr_sweeps import lr_find as lr_find
    from fieldguide.photos import Batch as Batch
    from fieldguide.photos import read_catalog as read_catalog
    from fieldguide.photos import sample as sample
    from fieldguide.photos import show_batch as show_batch
    from fieldguide.prediction import Prediction as Prediction
    from fieldguide.prediction import Predictor as Predictor
    from fieldguide.prediction import load as load
    from fieldguide.run import Run as Run
    from fieldguide.training import fit as fit
    from fieldguide.training import open_run as open_run
    from fieldguide.training import resume as resume
    from service import __version__ as __version__
    from service.bundle import BundleRefused as BundleRefused
    from service.pixels import ImageError as ImageError
    from service.predictor import NoHeatmap as NoHeatmap
    from trainer.catalog import Catalog as Catalog
    from trainer.errors import TrainerError as TrainerError
    from trainer.recipe import AbstentionRecipe as AbstentionRecipe
    from trainer.recipe import Augmentation as Augmentation
    from trainer.recipe import FinetuneRecipe as FinetuneRecipe
    from trainer.recipe import HeadRecipe as HeadRecipe
    from trainer.recipe import LRFindRecipe as LRFindRecipe
    from trainer.recipe import Recipe as Recipe

# Name -> the module that defines it.
_SLIM = {
    **dict.fromkeys(("Prediction", "Predictor", "load"), "fieldguide.prediction"),
    "BundleRefused": "service.bundle",
    "ImageError": "service.pixels",
    "NoHeatmap": "service.predictor",
    "TrainerError": "trainer.errors",
    "__version__": "service",
}
_TRAINER = {
    **dict.fromkeys(("fit", "open_run", "resume"), "fieldguide.training"),
    "calibrate": "fieldguide.calibrating",
    **dict.fromkeys(("Check", "check"), "fieldguide.checking"),
    **dict.fromkeys(("download", "search"), "fieldguide.collecting"),
    "compare": "fieldguide.comparing",
    "import_model": "fieldguide.importing",
    **dict.fromkeys(("LRFind", "lr_find"), "fieldguide.lr_sweeps"),
    **dict.fromkeys(("Batch", "read_catalog", "sample", "show_batch"), "fieldguide.photos"),
    "Run": "fieldguide.run",
    "Catalog": "trainer.catalog",
    "Comparison": "trainer.report.comparison",
    **dict.fromkeys(
        ("AbstentionRecipe", "Augmentation", "FinetuneRecipe", "HeadRecipe", "LRFindRecipe", "Recipe"), "trainer.recipe"
    ),
}
_MODULES = _SLIM | _TRAINER

__all__ = [
    "AbstentionRecipe",
    "Augmentation",
    "Batch",
    "BundleRefused",
    "Catalog",
    "Check",
    "Comparison",
    "FinetuneRecipe",
    "HeadRecipe",
    "ImageError",
    "LRFind",
    "LRFindRecipe",
    "NoHeatmap",
    "Prediction",
    "Predictor",
    "Recipe",
    "Run",
    "TrainerError",
    "__version__",
    "calibrate",
    "check",
    "compare",
    "download",
    "fit",
    "import_model",
    "load",
    "lr_find",
    "open_run",
    "read_catalog",
    "resume",
    "sample",
    "search",
    "show_batch",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'fieldguide' has no attribute {name!r}")
    if name in _TRAINER:
        from trainer.installation import require_packages

        require_packages()
        # A library that the trainer imports says so in notebooks without ipywidgets. Our own bars do not need those.
        warnings.filterwarnings("ignore", message="IProgress not found")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _require_own_packages() -> None:
    """Raise ImportError if a file of the user, such as service.py, is imported instead of a package of this project."""
    home = Path(__file__).resolve().parents[1]
    for name in ("service", "trainer"):
        loaded = sys.modules.get(name)
        origin = getattr(loaded, "__file__", None) if loaded is not None else getattr(find_spec(name), "origin", None)
        if origin is not None and Path(origin).resolve().parents[1] != home:
            raise ImportError(
                f"{origin} has the name of a package of fieldguide, and Python imports it instead: rename it"
            )


_require_own_packages()
