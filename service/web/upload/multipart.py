"""Finds the one file in a multipart/form-data body (RFC 7578) that is in memory already."""

from __future__ import annotations

import re

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.problem import Problem

FILE_FIELD = "file"
_MAX_CONTENT_TYPE_CHARACTERS = 1000
_MAX_BOUNDARY_BYTES = 70  # RFC 2046, 5.1.1
_MAX_PARTS = 16
_MAX_HEADERS_PER_PART = 8
_MAX_HEADER_BYTES = 8192  # a file name may be 4 KB long
_CRLF = b"\r\n"
_PATH_OF_IMAGE = re.compile(rb"[^\0\r\n]{1,4096}\.(avif|bmp|gif|hei[cf]|jfif|jpe|jpe?g|mpo|png|webp)", re.IGNORECASE)


def parse_boundary(content_type: str) -> bytes:
    """Return the boundary in a multipart Content-Type; raises Problem 400 if there is no valid one."""
    boundary = b""
    if len(content_type) <= _MAX_CONTENT_TYPE_CHARACTERS:  # this runs on the event loop, and parsing is slow
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 1 <= len(boundary) <= _MAX_BOUNDARY_BYTES:
        raise Problem(
            400,
            f"The Content-Type multipart/form-data must have a boundary of 1 to {_MAX_BOUNDARY_BYTES} characters.",
        )
    return boundary


def parse_file(body: bytes, *, boundary: bytes) -> bytes:
    """Return the content of the part named `file`. Plain fields beside it are ignored.

    Args:
        body: The whole body.
        boundary: Its boundary, from the Content-Type.

    Raises:
        Problem: 400 if the form is malformed, has no such part or more than one, has a file under another name, has an
            empty file, or has too many parts or headers; 415 if the part is a path.
    """
    delimiter = b"--" + boundary
    preamble = 0 if body.startswith(delimiter) else body.find(_CRLF + delimiter) + len(_CRLF)
    if preamble == 1:
        raise _malformed("its boundary is missing")
    if preamble:  # text before the first boundary, which nearly nobody sends, is ignored (RFC 2046, 5.1.1)
        body = body[preamble:]
    _check_delimiters(body, delimiter)
    form = _Form()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": form.on_part_begin,
            "on_header_begin": form.on_header_begin,
            "on_header_field": form.on_header_field,
            "on_header_value": form.on_header_value,
            "on_headers_finished": form.on_headers_finished,
            "on_part_data": form.on_part_data,
            "on_part_end": form.on_part_end,
        },
        max_header_count=_MAX_HEADERS_PER_PART,
        max_header_size=_MAX_HEADER_BYTES,
    )
    try:
        parser.write(body)
    except MultipartParseError as error:
        if str(error).startswith("Maximum header"):
            raise _too_much() from error
        raise _malformed(str(error)) from error
    if form.file is None:
        raise Problem(400, f"The form has no part named {FILE_FIELD!r}.")
    if not form.file:
        raise Problem(400, f"The part named {FILE_FIELD!r} is empty; send an image.")
    content = body[form.file.start : form.file.stop]
    if form.file_is_unnamed and _PATH_OF_IMAGE.fullmatch(content):
        raise Problem(
            415,
            f"The part named {FILE_FIELD!r} is the path of an image, not the image. With curl, write @ before the "
            f"path: -F {FILE_FIELD}=@photo.jpg.",
        )
    return content


class _Form:
    """Callbacks of the parser. Parts are kept as ranges of the body, so that only the file is copied, once.

    Attributes:
        file: Where the content of the part named `file` is; None if there is no such part.
        file_is_unnamed: Whether that part has no name of a file, as plain fields have none.
    """

    def __init__(self) -> None:
        self.file: range | None = None
        self.file_is_unnamed = False
        self._headers: list[list[bytes]] = []  # [name, value] each, of the current part
        self._is_file = False
        self._content = range(0)

    def on_part_begin(self) -> None:
        self._headers = []
        self._content = range(0)

    def on_header_begin(self) -> None:
        self._headers.append([b"", b""])

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._headers[-1][0] = data[start:end].lower()

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._headers[-1][1] = data[start:end].strip(b" \t")

    def on_headers_finished(self) -> None:
        disposition = self._header(b"content-disposition")
        if disposition is None:
            raise _malformed("a part has no Content-Disposition")
        disposition_type, options = parse_options_header(disposition)
        # A name that still starts with a quote has no end of it.
        if disposition_type.lower() != b"form-data" or options.get(b"name", b'"').startswith(b'"'):
            raise _malformed("the Content-Disposition of a part is not form-data with a name")
        name = options[b"name"].decode("utf-8", "replace")
        self._is_file = name == FILE_FIELD
        if not self._is_file and b"filename" in options:
            raise Problem(400, f"The form has a file under the name {name[:50]!r}; its name must be {FILE_FIELD!r}.")
        if self._is_file and self.file is not None:
            raise Problem(400, f"The form has more than one part named {FILE_FIELD!r}; send one image in a request.")
        if self._is_file:
            self.file_is_unnamed = b"filename" not in options

    def on_part_data(self, _data: bytes, start: int, end: int) -> None:
        self._content = range(start, end)  # all of it, since all of the body is there

    def on_part_end(self) -> None:
        length = self._header(b"content-length")
        if length is not None and length != str(len(self._content)).encode():
            raise _malformed("the Content-Length of a part is not its length")
        if self._is_file:
            self.file = self._content

    def _header(self, name: bytes) -> bytes | None:
        values = [value for key, value in self._headers if key == name]
        if len(values) > 1:
            raise _malformed(f"a part has more than one {name.decode().title()}")
        return values[0] if values else None


def _check_delimiters(body: bytes, delimiter: bytes) -> None:
    """Check what python-multipart does not: what follows each boundary, the last boundary, the number of parts.

    The body starts with the first boundary. The parser treats a line that only starts with the boundary as content, and
    reads it byte by byte. A boundary
    counts only after the headers of its part, as for the parser.
    """
    position = 0
    for _ in range(_MAX_PARTS + 1):
        position += len(delimiter)
        ending = body[position : position + 2]
        if ending == b"--":
            return
        if ending != _CRLF:
            raise _malformed("a boundary is not followed by a line break")
        headers_end = body.find(_CRLF + _CRLF, position)
        if headers_end < 0:
            raise _malformed("its end is missing")
        position = body.find(_CRLF + delimiter, headers_end + 2 * len(_CRLF)) + len(_CRLF)
        if position < len(_CRLF):
            raise _malformed("its end is missing")
    raise _too_much()


def _malformed(reason: str) -> Problem:
    return Problem(400, f"The multipart/form-data body is malformed: {reason.rstrip('.')}.")


def _too_much() -> Problem:
    return Problem(
        400,
        f"The form has more than {_MAX_PARTS} parts, or a part with more than {_MAX_HEADERS_PER_PART} headers or with "
        f"a header of more than {_MAX_HEADER_BYTES:,} bytes.",
    )
