"""The HTTP service: a Starlette router, pure-ASGI middleware around it, and threads that decode and infer.

    record      what is known of one request
    engine      the model, the threads that run it, and how many requests may wait for them
    upload      the body of a request -> the bytes of the image in it
    telemetry   log, metrics, drift and traces of finished requests
    middleware  the layers around the routes
    routes      the handlers
    app         the application: routes and middleware put together
    server      the process around the application

Each imports only from those above it; `engine` and `upload` do not import each other, nor do `middleware` and `routes`.
"""
