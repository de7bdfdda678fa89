"""The smallest ASGI application that does the same as /v1/predict: the cost of HTTP and a thread in any service.

python -m tests.benchmarks.service_load.servers.bare BUNDLE       prints the port it listens on

No limits, queue, log, metrics or errors: a body, one of the threads, the response.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn

from service.bundle import read_bundle
from service.cores import usable_cores
from service.predictor import Predictor
from service.responses import prediction_response


class Bare:
    """The application."""

    def __init__(self, bundle: str | os.PathLike[str]) -> None:
        self._predictor = Predictor(read_bundle(bundle))
        self._threads = ThreadPoolExecutor(usable_cores())

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        chunks = [await receive()]
        while chunks[-1]["more_body"]:
            chunks.append(await receive())
        image = b"".join(chunk["body"] for chunk in chunks)
        body = await asyncio.get_running_loop().run_in_executor(self._threads, self._respond, image)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _respond(self, image: bytes) -> bytes:
        prediction = self._predictor.predict(image)
        return json.dumps(prediction_response(prediction, self._predictor, top_k=5, total_ms=0)).encode()


if __name__ == "__main__":
    app = Bare(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(app, loop="uvloop", http="httptools", lifespan="off", log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])
