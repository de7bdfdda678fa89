"""What a run writes while it learns: history, checkpoints, TensorBoard."""
