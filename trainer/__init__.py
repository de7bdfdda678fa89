"""fieldguide's trainer: fine-tunes an image classifier on a folder of photos and exports a bundle."""

import service as service  # first of all: it keeps onnxruntime from reporting to its maker
