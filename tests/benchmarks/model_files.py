"""The model files of a bundle side by side: bytes, time of the network, time of each kind of node, agreement.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.model_files BUNDLE TABLE.csv [--label-column label] [--runs 200]

The time is that of one thread on the processor (not the clock's), for one image, the files in turn; of 200 runs the
median and the first decile. The labels are compared on the images of TABLE.csv, with their accuracy.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime as ort

from service.bundle import FP32, INT8, read_bundle
from service.predictor import Predictor
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.results import markdown, percent
from tests.benchmarks.training.tables import read_rows

_WARM_UP = 10
_PROFILED = 60
_BATCH = 16
_KINDS = 8


def main() -> None:
    """Print a row for each model file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("--label-column", default="label")
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    bundle = read_bundle(options.bundle)
    files = [file for file in (FP32, INT8) if file in bundle.models]
    predictors = {file: Predictor(bundle, model_file=file) for file in files}
    rows = read_rows(options.table)
    decode = predictors[FP32].load
    pixels = np.stack([decode((options.table.parent / row["path"]).read_bytes()).pixels for row in rows])
    index = {label: number for number, label in enumerate(bundle.spec.classes)}
    targets = np.array([index.get(row[options.label_column], -1) for row in rows])
    found = {
        file: np.concatenate(
            [predictor.probabilities(part) for part in np.array_split(pixels, -(-len(pixels) // _BATCH))]
        )
        for file, predictor in predictors.items()
    }
    times = thread_times(predictors, pixels[:1], runs=options.runs)
    lines = []
    for file in files:
        labels, others = found[file].argmax(axis=1), found[FP32].argmax(axis=1)
        lines.append(
            {
                "file": file,
                "bytes": f"{len(bundle.models[file]):,}",
                "ms": f"{np.median(times[file]):.2f} ({np.quantile(times[file], 0.1):.2f})",
                "ratio": f"{np.median(times[FP32]) / np.median(times[file]):.2f}",
                "accuracy": percent(float((labels == targets).mean())),
                "flips": percent(float((labels != others).mean())),
                "largest": f"{np.abs(found[file] - found[FP32]).max():.3f}",
            }
        )
    columns = {"file": "file", "bytes": "bytes", "ms": "ms, median (first decile)", "ratio": "times as fast"}
    columns |= {"accuracy": "accuracy", "flips": "other labels", "largest": "largest difference"}
    print(f"{machine('cpu')}, {versions('onnxruntime')}; {len(rows):,} images\n\n{markdown(columns, lines)}")
    for file in files:
        kinds = node_times(bundle.models[file], pixels[:1])
        listed = ", ".join(f"{kind} {microseconds:.0f}" for kind, microseconds in kinds[:_KINDS])
        print(f"\n{file}, us by kind of node: {listed}")


def thread_times(predictors: dict[str, Predictor], image: np.ndarray, *, runs: int) -> dict[str, list[float]]:
    """Processor time of one inference in ms, the files in turn."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(_WARM_UP + runs):
        for file, predictor in predictors.items():
            started = time.thread_time()
            predictor.probabilities(image)
            if number >= _WARM_UP:
                times[file].append(1e3 * (time.thread_time() - started))
    return times


def node_times(model: bytes, image: np.ndarray) -> list[tuple[str, float]]:
    """Time of all nodes of each kind in microseconds, the longest first; of each node the lowest fifth counts."""
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(_PROFILED):
            session.run(["probabilities"], {"image": image})
        events = json.loads(Path(session.end_profiling()).read_text())
    durations: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            durations[event["args"]["op_name"], event["name"]].append(event["dur"])
    kinds: defaultdict[str, float] = defaultdict(float)
    for (kind, _), each in durations.items():
        kinds[kind] += float(np.quantile(each, 0.2))
    return sorted(kinds.items(), key=lambda item: -item[1])


if __name__ == "__main__":
    main()
