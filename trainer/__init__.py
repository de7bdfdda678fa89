"""fieldguide's trainer: fine-tunes an image classifier on a folder of photos and exports a bundle."""
