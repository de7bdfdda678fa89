"""Takes the one file out of a multipart/form-data body (RFC 7578) that is in memory already."""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.web.problem import Problem

FIELD = "file"
_MAX_PARTS = 16
_MAX_HEADERS_PER_PART = 8
_MAX_HEADER_BYTES = 8192  # a file's name may be 4 KB long


def boundary_of(content_type: str) -> bytes:
    """The boundary that a multipart content type names; raises Problem 400 without a usable one."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046, 5.1.1
        raise Problem(400, "The Content-Type multipart/form-data must name a boundary of 1 to 70 characters.")
    return boundary


def file_part(body: bytes, *, boundary: bytes) -> bytes:
    """The content of the part named `file`.

    Plain fields beside it are skipped. Raises Problem 400 for a malformed body, no such part or more than one, a
    second file under another name, an empty file, and too many parts or headers.
    """
    # The parser is slow only where a boundary begins, so that a body full of them would cost seconds.
    delimiter = b"\r\n--" + boundary
    if body.count(delimiter) + body.startswith(delimiter[2:]) > _MAX_PARTS + 1:
        raise Problem(400, f"The form has more than {_MAX_PARTS} parts.")
    reader = _Reader()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": reader.begin_part,
            "on_header_begin": reader.begin_header,
            "on_header_field": reader.add_header_name,
            "on_header_value": reader.add_header_value,
            "on_header_end": reader.end_header,
            "on_headers_finished": reader.end_headers,
            "on_part_data": reader.add_data,
            "on_end": reader.end,
        },
        max_header_count=_MAX_HEADERS_PER_PART,
        max_header_size=_MAX_HEADER_BYTES,
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Problem(400, "The multipart/form-data body is malformed.") from error
    return reader.file()


class _Reader:
    """The parser's callbacks; keeps the data of parts named `file`, and of no other."""

    def __init__(self) -> None:
        self._files: list[list[bytes]] = []
        self._in_file = False
        self._ended = False
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""

    def begin_part(self) -> None:
        self._disposition = b""

    def begin_header(self) -> None:
        self._header_name = self._header_value = b""

    def add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value

    def end_headers(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise Problem(400, "A part of the form has no Content-Disposition header that gives it a name.")
        name = options[b"name"].decode("utf-8", "replace")
        self._in_file = name == FIELD
        if self._in_file and self._files:
            raise Problem(400, f"The form has more than one part named {FIELD!r}; send one image a request.")
        if not self._in_file and b"filename" in options:
            raise Problem(400, f"The form has a file under the name {name[:50]!r}; the image belongs in {FIELD!r}.")
        if self._in_file:
            self._files.append([])

    def add_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._files[-1].append(data[start:end])

    def end(self) -> None:
        self._ended = True

    def file(self) -> bytes:
        if not self._ended:
            raise Problem(400, "The multipart/form-data body ends before its last boundary.")
        if not self._files:
            raise Problem(400, f"The form has no part named {FIELD!r}.")
        content = b"".join(self._files[0])
        if not content:
            raise Problem(400, f"The part named {FIELD!r} is empty; send an image.")
        return content
