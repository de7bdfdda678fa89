"""Takes the one file out of a multipart/form-data body (RFC 7578) that is in memory already."""

from __future__ import annotations

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from service.web.problem import Problem

FIELD = "file"
_MAX_PARTS = 16
_MAX_HEADERS_PER_PART = 8
_MAX_HEADER_BYTES = 8192  # a file's name may be 4 KB long


def boundary_of(content_type: str) -> bytes:
    """The boundary that a multipart content type names; raises Problem 400 without a usable one."""
    _, options = parse_options_header(content_type)
    boundary: bytes = options.get("boundary", "").encode("latin-1")  # as headers are decoded
    if not 1 <= len(boundary) <= 70:  # RFC 2046, 5.1.1
        raise Problem(400, "The Content-Type multipart/form-data must name a boundary of 1 to 70 characters.")
    return boundary


def file_part(body: bytes, *, boundary: bytes) -> bytes:
    """The content of the part named `file`.

    Plain fields beside it are skipped. Raises Problem 400 for a malformed body, no such part or more than one, a
    second file under another name, an empty file, and too many parts or headers.
    """
    content, found, in_file = b"", False, False
    try:
        with PushMultipartParser(
            boundary,
            max_header_size=_MAX_HEADER_BYTES,
            max_header_count=_MAX_HEADERS_PER_PART,
            max_segment_count=_MAX_PARTS,
            header_charset="latin-1",  # takes every byte: names of files do not matter
            strict=True,
        ) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    in_file = _is_file(event)
                    if in_file and found:
                        raise Problem(
                            400, f"The form has more than one part named {FIELD!r}; send one image a request."
                        )
                    found = found or in_file
                elif event is not None and in_file:
                    content = event  # the whole of it, since all of the body is there
    except ParserLimitReached as error:
        raise Problem(
            400,
            f"The form has more than {_MAX_PARTS} parts, or one with more than {_MAX_HEADERS_PER_PART} headers or "
            f"a header of more than {_MAX_HEADER_BYTES:,} bytes.",
        ) from error
    except MultipartError as error:
        raise Problem(400, f"The multipart/form-data body is malformed: {error}.") from error
    if not found:
        raise Problem(400, f"The form has no part named {FIELD!r}.")
    if not content:
        raise Problem(400, f"The part named {FIELD!r} is empty; send an image.")
    return content


def _is_file(part: MultipartSegment) -> bool:
    if part.name != FIELD and part.filename is not None:
        name = part.name.encode("latin-1").decode("utf-8", "replace")[:50]
        raise Problem(400, f"The form has a file under the name {name!r}; the image belongs in {FIELD!r}.")
    return bool(part.name == FIELD)
