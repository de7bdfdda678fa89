"""The search for learning rates: sweeps, what they suggest, and the rates of both stages."""
