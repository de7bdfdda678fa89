"""The command import: a bundle from a model that another program trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from service.console import SectionedCommand, option
from trainer.cli.exit import as_command_line, clear_errors
from trainer.cli.options import AS_JSON, SIGN_KEY, THREADS
from trainer.cli.output import bundle_result, metrics_text, print_result

_MODEL, _PIXELS, _DATA, _BUNDLE = "The model", "How its images are prepared", "Images to measure it on", "The bundle"
_NOT_MEASURED = (
    "validation: no images, so nothing was measured: the temperature is 1, and nobody knows how good the model is; "
    "give --data"
)
# Options that are fields of ImportOptions.
_AS_THEY_ARE = (
    *("out", "oci", "backbone", "classes", "task", "layout", "outputs"),
    *("name", "version", "limits_of_use", "sign_key"),
)
_EXAMPLES = """\b
Examples:
  fieldguide import weights.pth --backbone torchvision/resnet34 --classes names.txt --out bundle
  fieldguide import weights.safetensors --backbone timm/convnext_tiny --classes names.txt --data photos --out b.zip
  fieldguide import model.onnx --classes names.txt --size 224 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --out b
"""


class _Triple(click.ParamType[tuple[float, float, float]]):
    """Three numbers, separated by commas."""

    name = "R,G,B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        if isinstance(value, tuple):
            return value
        try:
            red, green, blue = map(float, value.split(","))
        except ValueError:
            self.fail("it must be three numbers, such as 0.485,0.456,0.406", param, ctx)
        return red, green, blue


@click.command(
    "import",
    short_help="Write a bundle from a model of your own: weights or ONNX.",
    cls=SectionedCommand,
    sections=(_MODEL, _PIXELS, _DATA, _BUNDLE),
    epilog=_EXAMPLES,
)
@click.argument("weights", metavar="WEIGHTS", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@option(
    "--backbone",
    section=_MODEL,
    default="",
    help="Network of the weights: torchvision/NAME, timm/NAME or efficientnet_lite0.  [default: none, for .onnx]",
)
@option(
    "--classes",
    section=_MODEL,
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True),
    help="Names of the classes in the order of the training: a text file with one a line, or a bundle.  "
    "[default: those in WEIGHTS]",
)
@option(
    "--task",
    section=_MODEL,
    type=click.Choice(["classification", "multilabel"]),
    default="classification",
    show_default=True,
    help="One label for each image, or any number of labels.",
)
@option(
    "--layout",
    section=_MODEL,
    type=click.Choice(["nchw", "nhwc"]),
    default="nchw",
    show_default=True,
    help="Order of the dimensions of the input; only for .onnx.",
)
@option(
    "--outputs",
    section=_MODEL,
    type=click.Choice(["logits", "probabilities"]),
    default="logits",
    show_default=True,
    help="What the model gives; only for .onnx.",
)
@option(
    "--size",
    section=_PIXELS,
    type=click.IntRange(min=1),
    help="Side of the input, pixels.  [default: that of the backbone]",
)
@option(
    "--mean",
    section=_PIXELS,
    type=_Triple(),
    help="Of the three channels, for pixel values in 0..1.  [default: that of the backbone]",
)
@option("--std", section=_PIXELS, type=_Triple(), help="Standard deviation, likewise.  [default: that of the backbone]")
@option(
    "--resize",
    section=_PIXELS,
    type=click.Choice(["crop", "squish", "pad"]),
    help="How an image becomes a square.  [default: that of the backbone; crop for .onnx]",
)
@option(
    "--resize-short",
    section=_PIXELS,
    type=click.IntRange(min=1),
    help="Short side of the image before the crop, pixels.  [default: that of the backbone; --size for .onnx]",
)
@option(
    "--filter",
    "resampling",
    section=_PIXELS,
    type=click.Choice(["bilinear", "bicubic"]),
    help="Filter of the resampling, always antialiased.  [default: that of the backbone; bilinear for .onnx]",
)
@option(
    "--data",
    section=_DATA,
    metavar="DATA",
    type=click.Path(path_type=Path),
    help="Labelled images that it was not trained on (as for fit): they give temperature, thresholds and metrics.  "
    "[default: nothing is measured]",
)
@option(
    "--root", section=_DATA, type=click.Path(path_type=Path), help="As for fit.  [default: the folder of the table]"
)
@option("--path-column", section=_DATA, default="path", show_default=True, help="As for fit.")
@option("--label-column", section=_DATA, default="label", show_default=True, help="As for fit.")
@option("--label-delimiter", section=_DATA, default="", help="As for fit; only for multilabel.  [default: none]")
@option(
    "--out",
    section=_BUNDLE,
    metavar="BUNDLE",
    type=click.Path(path_type=Path),
    help="Folder or .zip.  [default: only --oci]",
)
@option(
    "--oci",
    section=_BUNDLE,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="New folder for an OCI image layout, as for export.  [default: none is written]",
)
@option("--name", section=_BUNDLE, default="", help="Of the bundle.  [default: that of WEIGHTS]")
@option("--version", section=_BUNDLE, default="1", show_default=True, help="Of the bundle.")
@option(
    "--limits-of-use",
    section=_BUNDLE,
    metavar="TEXT",
    default="",
    help="What the model must not be used for, or where it fails; a line is a text.  [default: none]",
)
@SIGN_KEY
@THREADS
@AS_JSON
def import_command(weights: Path, threads: int | None, as_json: bool, **options: Any) -> None:
    """Write a bundle from WEIGHTS, a model that another program trained.

    WEIGHTS is a state dict or checkpoint of torch or a .safetensors file with --backbone, or a .onnx file with --size,
    --mean and --std. The bundle predicts what the model predicts: that is checked. No code in WEIGHTS is run.
    """
    with clear_errors():
        from service.bundle import FP32
        from trainer.model.preprocessing import Preprocessing
        from trainer.run import DataOptions, ImportOptions, usable_threads
        from trainer.run.import_model import import_model
        from trainer.terminal import Terminal

        asked = ImportOptions(
            weights=weights,
            preprocessing=Preprocessing(
                mode=options["resize"],
                filter=options["resampling"],
                **{name: options[name] for name in ("size", "resize_short", "mean", "std")},
            ),
            data=None
            if options["data"] is None
            else DataOptions(
                path=options["data"],
                **{name: options[name] for name in ("root", "path_column", "label_column", "label_delimiter")},
            ),
            **{name: options[name] for name in _AS_THEY_ARE},
        )
        with Terminal(phrase=as_command_line) as progress:
            bundle = import_model(asked, threads=usable_threads(threads), progress=progress)
    metrics = bundle.metrics_of(FP32).get("validation")
    measured = _NOT_MEASURED if metrics is None else metrics_text("validation", metrics)
    print_result(*bundle_result(bundle, options, measured), as_json)
