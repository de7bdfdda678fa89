"""Who may come in: a permit for every request that brings an image, taken before its body is read.

As imgproxy does it: one permit for each slot and each place in the queue, had at once or not at all; then a slot, for
which an admitted request waits. So the time that they wait is bounded, and so is the memory of the process:

    base + model + (slots + queue) x 2 x max_body_bytes + slots x (12 bytes x max_pixels + activations)

(a body, and a copy of it while a form is taken apart; the most that any image takes to decode; what onnxruntime needs
for one image), and 0.4 MB a connection: headers, and the part of a body that nobody reads yet.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.engine.permits import Permits


class Admission:
    """ASGI layer around a route that takes images: asks a permit of every POST, and of no other method."""

    def __init__(self, app: ASGIApp, *, permits: Permits) -> None:
        self._app = app
        self._permits = permits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the layers within; raises Problem 429. The permit is given back when the answer begins."""
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        permit = self._permits.take()

        async def send_without_permit(message: Message) -> None:
            permit.give_back()  # a client that is slow to take its answer holds up no other
            await send(message)

        try:
            await self._app(scope, receive, send_without_permit)
        finally:
            permit.give_back()
