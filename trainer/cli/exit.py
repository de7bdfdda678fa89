"""How a process ends that torchrun started beside others."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Where there are several processes, end this one with the block, without taking the interpreter down.

    A thread of gloo's may still hold a tensor of what was sent last. Where it lets go of that while the interpreter is
    taken down, the process aborts (as told in github.com/pytorch/pytorch/pull/179291), and torchrun calls a fit failed
    that was done. What was printed is written out; the exit code is that of the block.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    code = 0
    try:
        yield
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001  (told as the interpreter would, which ends here)
        sys.excepthook(*sys.exc_info())
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads it any more, or the disk is full
        code = code or 1
    finally:
        os._exit(code)
