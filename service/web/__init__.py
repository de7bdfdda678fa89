"""The HTTP service: one Starlette router, pure-ASGI layers around it, and threads that decode and infer."""
