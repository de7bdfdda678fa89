"""The process around the application: its socket, its connections, its signals, its memory."""

from service.web.server.process import CannotListen, load_predictor, serve

__all__ = ["CannotListen", "load_predictor", "serve"]
