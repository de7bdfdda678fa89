"""Predictions for many image files, as the command line prints them."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from service.cores import usable_cores
from service.pixels import ImageError
from service.predictor import Predictor
from service.problem import Problem, image_problem
from service.responses import prediction_response

STANDARD_INPUT = "-"


def predict_files(paths: Sequence[str], predictor: Predictor, *, top_k: int) -> list[dict[str, Any]]:
    """Classify image files in parallel, one thread for each usable core.

    Args:
        paths: Paths of the files; `-` for standard input.
        predictor: The model.
        top_k: How many classes to list for each image, at least 1.

    Returns:
        One JSON object for each path, in the same order: `path`, and the fields of the response of /v1/predict or
        of a problem. Only a problem has a `status`.
    """
    # Here, since Ctrl-C interrupts no other thread than the main one.
    piped = sys.stdin.buffer.read() if STANDARD_INPUT in paths else b""
    predict_file = functools.partial(_predict_file, predictor=predictor, top_k=top_k, piped=piped)
    with ThreadPoolExecutor(usable_cores()) as threads:
        return list(threads.map(predict_file, paths))


def _predict_file(path: str, *, predictor: Predictor, top_k: int, piped: bytes) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        prediction = predictor.predict(_read(path, piped))
    except ImageError as error:
        return {"path": path, **image_problem(error).to_json()}
    except Problem as problem:
        return {"path": path, **problem.to_json()}
    total_ms = 1e3 * (time.perf_counter() - start)
    return {"path": path, **prediction_response(prediction, predictor, top_k=top_k, total_ms=total_ms)}


def _read(path: str, piped: bytes) -> bytes:
    if path == STANDARD_INPUT:
        if not piped:
            raise Problem(400, "Standard input is empty; send an image, as in: predict BUNDLE - < photo.jpg.")
        return piped
    try:
        return Path(path).read_bytes()
    except IsADirectoryError as error:
        raise Problem(400, "This is a folder, not an image; name the images in it, such as FOLDER/*.jpg.") from error
    except FileNotFoundError as error:
        raise Problem(404, "There is no such file.") from error
    except PermissionError as error:
        raise Problem(403, "There is no permission to read this file.") from error
    except (OSError, ValueError) as error:  # ValueError: the name has a null byte
        raise Problem(400, f"This file cannot be read: {error}.") from error
