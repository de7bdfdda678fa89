"""The process around the application: socket, connections, signals, memory."""

from service.web.server.listening import CannotListen
from service.web.server.process import load_predictor, serve

__all__ = ["CannotListen", "load_predictor", "serve"]
