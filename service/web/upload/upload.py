"""Which request bodies are accepted, and how the image is taken out of one."""

from __future__ import annotations

import dataclasses
from typing import Annotated, TypedDict

from starlette.datastructures import Headers
from starlette.requests import Request

from service.problem import Problem
from service.settings import Settings
from service.web.upload.body import announced_bytes, read_body
from service.web.upload.multipart import FILE_FIELD, parse_boundary, parse_file
from service.web.upload.places import UploadPlaces


class UploadForm(TypedDict):
    """A form with one file. Plain fields beside it are ignored."""

    file: Annotated[bytes, {"description": "the encoded image; its name and content type are ignored"}]


# Media type -> the type of the body.
UPLOAD_BODY = {"multipart/form-data": UploadForm, "image/*": bytes, "application/octet-stream": bytes}
_URL_ENCODED = "application/x-www-form-urlencoded"
# What clients send if nobody names a type: none, bytes, what curl and Python's urllib take by default, S3's own.
_UNNAMED = ("", "application/octet-stream", _URL_ENCODED, "binary/octet-stream")


@dataclasses.dataclass(kw_only=True)
class UploadLimits:
    """Limits on request bodies.

    Attributes:
        max_bytes: The longest body that is accepted. It may be lowered before the service is ready.
        timeout_s: Time in which the last byte, or a part at the minimum rate, must arrive, seconds.
        min_bytes_per_s: The minimum rate; 0 for any rate.
        places: Memory for all bodies that arrive.
    """

    max_bytes: int
    timeout_s: float
    min_bytes_per_s: int
    places: UploadPlaces

    @classmethod
    def of(cls, settings: Settings) -> UploadLimits:
        """Return the limits of the settings."""
        return cls(
            max_bytes=settings.max_body_bytes,
            timeout_s=settings.body_timeout_s,
            min_bytes_per_s=settings.min_body_bytes_per_s,
            places=UploadPlaces(settings.max_upload_memory),
        )


class Upload:
    """A request body in memory. Its image is taken out once."""

    def __init__(self, body: bytes, *, boundary: bytes | None, is_url_encoded: bool = False) -> None:
        """Hold a body.

        Args:
            body: The bytes of the body.
            boundary: Boundary of a multipart form; None if the body is the image itself.
            is_url_encoded: Whether its type is that of a form without a file. Clients take it by default.
        """
        self._body = body
        self._boundary = boundary
        self._is_url_encoded = is_url_encoded

    def take_image(self) -> bytes:
        """Return the encoded image. A long form takes time: call it on a worker thread.

        The body is released, so that a form and the file in it are not both in memory while the file is decoded.

        Raises:
            Problem: 400 for a bad form, 415 for one without a file.
        """
        body, self._body = self._body, b""
        if self._is_url_encoded and b"\0" not in body:  # every image has zero bytes
            raise Problem(
                415,
                "The body is not the image as it was: curl's -d (--data) sends the text of a form, and leaves out some "
                f"bytes of a file. Use --data-binary @photo.jpg, or -F {FILE_FIELD}=@photo.jpg.",
            )
        return body if self._boundary is None else parse_file(body, boundary=self._boundary)


async def read_upload(request: Request, *, limits: UploadLimits) -> Upload:
    """Read a request body that is an image, or a form with one. Which image type is named, or none, does not matter.

    Raises:
        Problem: 415 for a media type or encoding that is not accepted, 400 for a form without a boundary, and what
            `read_bytes` raises.
    """
    media_type = media_type_of(request.headers)
    boundary = _boundary(media_type, request.headers)
    body = await read_bytes(request, limits=limits)
    return Upload(body, boundary=boundary, is_url_encoded=media_type == _URL_ENCODED)


async def read_bytes(request: Request, *, limits: UploadLimits) -> bytes:
    """Read a request body under the limits, in memory that is reserved for it.

    Raises:
        Problem: 413, 429, 408 or 400: see `announced_bytes`, `UploadPlaces.take` and `read_body`.
        ClientDisconnect: If the client disconnected.
    """
    with limits.places.take(announced_bytes(request, max_bytes=limits.max_bytes)):
        return await read_body(
            request, max_bytes=limits.max_bytes, timeout_s=limits.timeout_s, min_bytes_per_s=limits.min_bytes_per_s
        )


def media_type_of(headers: Headers) -> str:
    """Return the Content-Type without its parameters, "" if there is none; raises Problem 415 for encoded bodies."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Problem(415, f"The Content-Encoding {encoding[:50]!r} is not accepted; send the image as it is.")
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_image(media_type: str) -> bool:
    """Return whether a body of this media type is the encoded image itself."""
    return media_type.startswith("image/") or is_unnamed(media_type)


def is_unnamed(media_type: str) -> bool:
    """Return whether a media type says nothing of the body, so that its content must."""
    return media_type in _UNNAMED


def _boundary(media_type: str, headers: Headers) -> bytes | None:
    if media_type == "multipart/form-data":
        return parse_boundary(headers["content-type"])
    if is_image(media_type):
        return None
    raise Problem(
        415,
        f"The Content-Type {media_type[:50]!r} is not accepted; send multipart/form-data with a part named "
        f"{FILE_FIELD!r}, or the image itself as image/* or application/octet-stream.",
    )
