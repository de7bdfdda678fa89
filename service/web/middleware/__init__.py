"""Layers of pure ASGI around the routes; `app` says in which order."""
