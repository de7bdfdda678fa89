"""Pure-ASGI middleware around the routes; `app` defines the order."""
