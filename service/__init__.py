"""fieldguide's service: loads a bundle and says over HTTP what is in a photo. Needs no torch."""

__version__ = "0.1.0"
