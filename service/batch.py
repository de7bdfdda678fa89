"""Many image files on the command line: each one's answer, or its problem, as over HTTP."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from service.cores import usable_cores
from service.pixels import ImageError
from service.predictor import Predictor
from service.web.problem import Problem, image_problem
from service.web.routes.answers import full_answer


def predict_files(paths: Sequence[str], predictor: Predictor, *, top_k: int) -> list[dict[str, Any]]:
    """One JSON object a path, in the same order: `path` and the fields of the answer of /v1/predict or of a problem.

    A problem is told from an answer by its `status`. Images are worked on side by side, one a usable core.
    """
    answer = functools.partial(_predict_file, predictor=predictor, top_k=top_k)
    with ThreadPoolExecutor(usable_cores()) as threads:
        return list(threads.map(answer, paths))


def _predict_file(path: str, *, predictor: Predictor, top_k: int) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        prediction = predictor.predict(_read(path))
    except ImageError as error:
        return {"path": path, **image_problem(error).to_json()}
    except Problem as problem:
        return {"path": path, **problem.to_json()}
    total_ms = 1e3 * (time.perf_counter() - start)
    return {"path": path, **full_answer(prediction, predictor, top_k=top_k, total_ms=total_ms)}


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except IsADirectoryError as error:
        raise Problem(400, "This is a folder, not an image.") from error
    except FileNotFoundError as error:
        raise Problem(404, "There is no such file.") from error
    except PermissionError as error:
        raise Problem(403, "This file may not be read.") from error
    except (OSError, ValueError) as error:  # ValueError: a name that holds a null byte
        raise Problem(400, f"This file cannot be read: {error}.") from error
