"""The HTTP service: one Starlette router, pure-ASGI layers around it, and threads that decode and infer.

    problem, record  what an error is; what is known of one request
    engine           the model, the threads it runs on, and who may wait for them
    upload           the body of a request -> the bytes of the image that it brings
    telemetry        what is told of requests that have ended: log, metrics, drift, traces
    middleware       the layers around the routes
    routes           what is answered at which path
    app              all of these put together
    server           the process around it

Each imports only from those above it; `engine` and `upload`, and `middleware` and `routes`, do not know each other.
"""
