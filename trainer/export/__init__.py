"""From a trained classifier to a bundle: ONNX graph, parity gate, golden images, measured metrics, card."""

from trainer.export.export import Exportable, export_bundle

__all__ = ["Exportable", "export_bundle"]
