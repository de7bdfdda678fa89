"""fieldguide's service: loads a bundle and says over HTTP what is in a photo. Needs no torch."""

import os

__version__ = "0.1.0"

# From 1.29 on, onnxruntime's builds for Linux tell Microsoft of every model and machine, and write to the home
# directory, unless this is set before they are loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
