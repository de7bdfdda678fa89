"""What a model gives for images, and how good that is."""
