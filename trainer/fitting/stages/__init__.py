"""The two stages: the head on cached features, then the whole network; schedule, batches, steps."""
