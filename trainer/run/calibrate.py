"""A bundle of a run, calibrated on images that chose nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from service.bundle import Bundle
from trainer.run.calibration_set import CalibrationImages, LabelledImages
from trainer.run.environment import Environment
from trainer.run.export import ExportOptions, export_run
from trainer.run.folder import require_outside


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """The result of a calibration.

    Attributes:
        bundle: As it was read back.
        images: What it was calibrated on.
    """

    bundle: Bundle
    images: CalibrationImages


def calibrate_run(path: Path, images: LabelledImages, options: ExportOptions, environment: Environment) -> Calibrated:
    """Write a bundle of a run with temperature, thresholds, abstention and sets fitted anew on these images.

    Args:
        path: RUN.
        images: Labelled images that chose nothing: neither weights nor epoch.
        options: As for an export; their `calibration` does not matter.
        environment: Where.

    Raises:
        RunError: The bundle would be among the images, or what `export_run` raises.
        TrainerError: See `export_run`.
        FileExistsError: `out` or `oci` exists.
    """
    for place in filter(None, (options.out, options.oci)):
        require_outside(place, [str(images.path)], kind="folder")
    exported = export_run(path, dataclasses.replace(options, calibration=images), environment)
    assert exported.calibration is not None  # they were given
    return Calibrated(bundle=exported.bundle, images=exported.calibration)
