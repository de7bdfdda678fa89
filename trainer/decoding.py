"""One image from its file; and a process that does this for others: `python -m trainer.decoding`.

A request is a line of JSON on standard input: the path, its SHA-256, and the PixelSpec. The answer on standard output
is a line of JSON, and after it the pixels, if there are any. The process ends when its input does: if the one that asks
is killed, nothing stays. It imports Pillow and NumPy, but not torch: starting one takes a fraction of a second.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from pathlib import Path

from service.inputs import read_bytes
from service.pixels import ImageError, Picture, PixelSpec, load
from trainer.errors import CacheError


def decode_file(path: Path, digest: str, spec: PixelSpec) -> Picture | str:
    """Decode an image.

    Args:
        path: The file.
        digest: SHA-256 of its content, hexadecimal.
        spec: How it becomes an array.

    Returns:
        The picture, or why it cannot be decoded.

    Raises:
        CacheError: The file cannot be read, or has another content.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise CacheError(f"{path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise CacheError(f"{path} was changed while it was being read; start again when it no longer changes")
    try:
        return load(data, spec)
    except ImageError as error:
        return str(error)


def main() -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the one that asks was killed: no traceback
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group: the one that asks decides
    for line in sys.stdin.buffer:
        request = json.loads(line)
        pixels = b""
        try:
            found = decode_file(Path(request["path"]), request["sha256"], PixelSpec.from_json(request["spec"]))
        except CacheError as error:
            answer = {"failed": str(error)}
        except MemoryError:
            answer = {"failed": f"{request['path']}: there is too little memory to decode it"}
        else:
            if isinstance(found, Picture):
                answer, pixels = {}, found.pixels.tobytes()
            else:
                answer = {"failed": f"{request['path']} cannot be decoded any more: {found}"}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + pixels)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
