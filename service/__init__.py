"""fieldguide's service: loads a bundle and classifies photos over HTTP. Does not need torch."""

import os

__version__ = "0.1.0"

# From 1.29 on, onnxruntime's builds for Linux report every model and machine to Microsoft, and write to the home
# directory, unless this is set before they are loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
