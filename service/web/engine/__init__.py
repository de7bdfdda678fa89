"""The model, the threads that run it, and how many requests may wait for them."""

from service.web.engine.engine import Engine

__all__ = ["Engine"]
