"""The learning rate finder: sweeps, what they suggest, and the learning rates of both stages."""
