"""From arrays to a trained classifier: the head on cached features, then fine-tuning of the whole network."""
