"""A route that reads its body and sends as many bytes as /v1/predict does: the cost of HTTP alone.

python -m tests.benchmarks.service_load.servers.echo       prints the port it listens on
"""

from __future__ import annotations

import socket

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router


async def echo(request: Request) -> Response:
    """Send about as many bytes as a response with five classes has."""
    body = await request.body()
    return JSONResponse({"bytes": len(body), "padding": "x" * 650})


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        app = Router([Route("/echo", echo, methods=["POST"])])
        config = uvicorn.Config(app, loop="uvloop", http="httptools", lifespan="off", log_config=None)
        uvicorn.Server(config).run(sockets=[listener])
