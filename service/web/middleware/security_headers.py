"""Headers in every response that restrict what browsers do with it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What a Content-Security-Policy calls "no page may show this one in a frame".
NO_ANCESTORS = "'none'"


def security_headers(frame_ancestors: str = NO_ANCESTORS) -> list[tuple[bytes, bytes]]:
    """Return the headers, names in lower case.

    Args:
        frame_ancestors: The pages that may show a response in a frame, as a Content-Security-Policy lists them.
    """
    headers = [
        (b"content-security-policy", f"default-src 'none'; frame-ancestors {frame_ancestors}".encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if frame_ancestors == NO_ANCESTORS:
        # For browsers that are older than the policy. It cannot allow some pages.
        headers.append((b"x-frame-options", b"DENY"))
    return headers


class SecurityHeadersMiddleware:
    """ASGI middleware that adds the security headers. A header that the response has already stays as it is."""

    def __init__(self, app: ASGIApp, *, frame_ancestors: str = NO_ANCESTORS) -> None:
        self._app = app
        self._headers = security_headers(frame_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}  # in lower case, as ASGI requires
                message["headers"] = [*message["headers"], *(pair for pair in self._headers if pair[0] not in own)]
            await send(message)

        await self._app(scope, receive, send_with_headers)
