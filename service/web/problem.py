"""An error that a request can get, as a problem of RFC 9457; `middleware.problems` answers with it."""

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
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class ProblemDetails(TypedDict):
    """Every error's body, a problem of RFC 9457."""

    type: Annotated[Literal["about:blank"], {"description": "no type of our own: the status says it all"}]
    title: Annotated[str, {"description": "the status in words"}]
    status: int
    detail: Annotated[str, {"description": "what was wrong, in a sentence"}]
    request_id: Annotated[str, {"description": "the id under which the log has the request"}]
    error: NotRequired[Annotated[str, {"description": "the detail again, on the routes of other protocols"}]]


class Problem(Exception):
    """An error with an HTTP status, whose detail is a sentence fit for the person who sent the request."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def to_json(self) -> dict[str, str | int]:
        """The problem details object; its type is `about:blank`, so its title is the status's own phrase."""
        return {
            "type": "about:blank",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
        }


def image_problem(error: ImageError) -> Problem:
    """415 for bytes that are no image of a format that we take, 422 for an image that gives no pixels."""
    return Problem(415 if isinstance(error, UnsupportedImage) else 422, str(error))
