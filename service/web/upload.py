"""How an image arrives: which request bodies are taken, and how the image's bytes are had from one."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request

from service.settings import Settings
from service.web.body import read_body
from service.web.multipart import FIELD, boundary_of, file_part
from service.web.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A request body in memory; `boundary` is that of a multipart form, None where the body is the image itself."""

    body: bytes
    boundary: bytes | None

    def image(self) -> bytes:
        """The encoded image; raises Problem 400. Takes time for a long form: for a worker thread."""
        return self.body if self.boundary is None else file_part(self.body, boundary=self.boundary)


async def read_upload(request: Request, *, settings: Settings) -> Upload:
    """Read the request's body.

    Raises Problem: 415 for a content type or encoding that is not taken, 400 for a form without a boundary, and
    what `read_body` raises. Which kind of image a content type names is ignored: the content decides.
    """
    boundary = _boundary(request.headers)
    body = await read_body(request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    return Upload(body=body, boundary=boundary)


def _boundary(headers: Headers) -> bytes | None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Problem(415, f"The Content-Encoding {encoding[:50]!r} is not taken here; send the image as it is.")
    content_type = headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return boundary_of(content_type)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return None
    raise Problem(
        415,
        f"The Content-Type {kind[:50]!r} is not taken here; send multipart/form-data with a part named {FIELD!r}, "
        "or the image itself as image/* or application/octet-stream.",
    )
