"""How an image arrives: which request bodies are taken, and how the image's bytes are had from one."""

from __future__ import annotations

from typing import Annotated, TypedDict

from starlette.datastructures import Headers
from starlette.requests import Request

from service.settings import Settings
from service.web.problem import Problem
from service.web.upload.body import read_body
from service.web.upload.multipart import FIELD, boundary_of, file_part


class UploadForm(TypedDict):
    """A form with one file. Plain fields beside it are skipped."""

    file: Annotated[bytes, {"description": "the encoded image; its name and content type are ignored"}]


# content type -> what it holds
UPLOAD_BODY = {"multipart/form-data": UploadForm, "image/*": bytes, "application/octet-stream": bytes}


class Upload:
    """A request body in memory, of which the image is taken once.

    boundary  that of a multipart form; None where the body is the image itself
    """

    def __init__(self, body: bytes, *, boundary: bytes | None) -> None:
        self._body = body
        self._boundary = boundary

    def take_image(self) -> bytes:
        """The encoded image; raises Problem 400. Takes time for a long form: for a worker thread.

        The body is let go of, so that a form and the file in it are not both held while the file is decoded.
        """
        body, self._body = self._body, b""
        return body if self._boundary is None else file_part(body, boundary=self._boundary)


async def read_upload(request: Request, *, settings: Settings) -> Upload:
    """Read the request's body.

    Raises Problem: 415 for a content type or encoding that is not taken, 400 for a form without a boundary, and
    what `read_body` raises. Which kind of image a content type names is ignored: the content decides.
    """
    boundary = _boundary(request.headers)
    body = await read_bytes(request, settings=settings)
    return Upload(body, boundary=boundary)


async def read_bytes(request: Request, *, settings: Settings) -> bytes:
    """The request's body under the limits of the settings; raises what `read_body` raises."""
    return await read_body(
        request,
        max_bytes=settings.max_body_bytes,
        timeout_s=settings.body_timeout_s,
        min_bytes_per_s=settings.min_body_bytes_per_s,
    )


def kind_of(headers: Headers) -> str:
    """The content type without its parameters, empty where there is none; raises Problem 415 for encoded bodies."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Problem(415, f"The Content-Encoding {encoding[:50]!r} is not taken here; send the image as it is.")
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_image(kind: str) -> bool:
    """Whether a body of this content type is the encoded image itself."""
    return kind.startswith("image/") or kind == "application/octet-stream"


def _boundary(headers: Headers) -> bytes | None:
    kind = kind_of(headers)
    if kind == "multipart/form-data":
        return boundary_of(headers["content-type"])
    if is_image(kind):
        return None
    raise Problem(
        415,
        f"The Content-Type {kind[:50]!r} is not taken here; send multipart/form-data with a part named {FIELD!r}, "
        "or the image itself as image/* or application/octet-stream.",
    )
