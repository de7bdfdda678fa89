from __future__ import annotations

import dataclasses

import torch
from torch import nn

from trainer.model import Classifier, load_backbone, parameter_groups


def batch_norms(classifier: Classifier) -> list[nn.BatchNorm2d]:
    return [module for module in classifier.modules() if isinstance(module, nn.BatchNorm2d)]


def test_pixels_are_normalised_as_the_backbones_record_says() -> None:
    backbone = load_backbone("tiny")
    classifier = Classifier(backbone, class_count=2).eval()
    pixels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    with torch.no_grad():
        assert torch.allclose(classifier.embed(pixels), backbone.body((pixels / 255 - 0.5) / 0.5), atol=1e-5)


def test_pretrained_batch_norms_keep_their_statistics_in_training() -> None:
    backbone = dataclasses.replace(load_backbone("tiny"), pretrained=True)
    classifier = Classifier(backbone, class_count=2).train()
    assert classifier.training
    assert classifier.body.training
    assert not any(module.training for module in batch_norms(classifier))
    before = [module.running_mean.clone() for module in batch_norms(classifier) if module.running_mean is not None]
    classifier(torch.rand(4, 3, 32, 32) * 255)
    after = [module.running_mean for module in batch_norms(classifier) if module.running_mean is not None]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_batch_norms_of_random_weights_learn_their_statistics() -> None:
    classifier = Classifier(load_backbone("tiny"), class_count=2).train()
    assert all(module.training for module in batch_norms(classifier))


def test_parameter_groups_have_every_parameter_once_and_decay_no_norm_or_bias() -> None:
    classifier = Classifier(load_backbone("efficientnet_lite0", weights="none"), class_count=7)
    groups = parameter_groups(classifier, weight_decay=0.05)
    grouped = [parameter for group in groups for parameter in group["params"]]
    assert len(grouped) == len({id(parameter) for parameter in grouped}) == len(list(classifier.parameters()))
    for group in groups:
        assert group["weight_decay"] == (0.05 if group["params"][0].ndim > 1 else 0.0)
        assert len({parameter.ndim > 1 for parameter in group["params"]}) == 1
    sizes = {
        name: sum(parameter.numel() for group in groups if group["name"] == name for parameter in group["params"])
        for name in ("early", "late", "head")
    }
    assert sizes["head"] == 1280 * 7 + 7
    body = sizes["early"] + sizes["late"]
    assert 0.4 < sizes["early"] / body < 0.7


def test_position_embeddings_are_not_decayed() -> None:
    classifier = Classifier(load_backbone("timm/vit_tiny_patch16_224", size=64, weights="none"), class_count=2)
    names = {id(parameter): name for name, parameter in classifier.body.named_parameters()}
    plain = [group for group in parameter_groups(classifier, weight_decay=0.05) if group["weight_decay"] == 0]
    assert {"cls_token", "pos_embed"} <= {names.get(id(parameter)) for group in plain for parameter in group["params"]}
