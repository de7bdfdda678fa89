"""From a trained classifier to a bundle: ONNX graph, parity check, golden images, metrics and model card."""

from trainer.export.export import export_bundle
from trainer.export.exportable import CalibrationSet, Exportable, LearnedImages

__all__ = ["CalibrationSet", "Exportable", "LearnedImages", "export_bundle"]
