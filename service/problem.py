"""An error with an HTTP status, as problem details (RFC 9457), for HTTP and for the command line alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

from service.pixels import ImageError, UnsupportedImage

# The phrases of RFC 9110; those of Python's http.HTTPStatus differ from one version to the next.
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}


class ProblemDetails(TypedDict):
    """The body of every error, a problem of RFC 9457."""

    type: Annotated[Literal["about:blank"], {"description": "there are no types besides the status"}]
    title: Annotated[str, {"description": "the phrase of the status"}]
    status: int
    detail: Annotated[str, {"description": "what was wrong, in a sentence"}]
    request_id: Annotated[str, {"description": "the id of the request in the log"}]
    error: NotRequired[Annotated[str, {"description": "the detail again, on the routes of other protocols"}]]


class Problem(Exception):
    """An error with an HTTP status.

    Attributes:
        status: HTTP status, one of `TITLES`.
        detail: A sentence for the person who sent the request.
        headers: Headers of the response, such as Retry-After.
        page: An HTML page that a person's browser gets in place of the JSON object; "" for none.
    """

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, page: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.page = page

    def to_json(self) -> dict[str, str | int]:
        """Return the problem details object, without a request id."""
        return {
            "type": "about:blank",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
        }


def image_problem(error: ImageError) -> Problem:
    """Return 415 for bytes that are no image of an accepted format, 422 for an image that cannot be decoded."""
    return Problem(415 if isinstance(error, UnsupportedImage) else 422, str(error))
