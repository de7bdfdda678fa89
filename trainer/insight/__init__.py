"""What a trained classifier says of its validation images."""

from trainer.insight.predictions import write_predictions

__all__ = ["write_predictions"]
