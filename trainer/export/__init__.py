"""From a trained classifier to a bundle: ONNX graph, parity gate, golden images, measured metrics, card."""

from trainer.export.export import Exportable, ExportError, export_bundle

__all__ = ["ExportError", "Exportable", "export_bundle"]
