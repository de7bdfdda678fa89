"""What a model knows of itself, and when it does not answer: arrays in, numbers out."""
