"""The model files of a bundle side by side: bytes, time of the network, time of each kind of node, agreement.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.model_files BUNDLE TABLE.csv [--label-column label] [--runs 200]
        [--folds FOLDER --root ROOT]

The times are those of one thread on the processor (not the clock's), for one image, the files in turn; of 200 runs the
median and the first decile: of the network alone, and of a request's work, decoding included. The labels are compared
on the images of TABLE.csv, with their accuracy and macro F1. FOLDER is one that `tests.benchmarks.fold_runs` wrote: the
same for the runs of all folds together, each on the images that it has not seen.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from sklearn.metrics import f1_score

from service.bundle import FP32, INT8, Bundle, read_bundle
from service.predictor import Predictor
from tests.benchmarks.fold_runs import kept_runs
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.results import markdown, percent
from tests.benchmarks.training.tables import read_rows

_WARM_UP = 10
_PROFILED = 60
_BATCH = 16
_KINDS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What the model files of a bundle say of N images.

    Attributes:
        probabilities: Model file -> float32 [N, K].
        labels: The right ones; none of the classes: "".
        classes: Of the bundle.
    """

    probabilities: Mapping[str, npt.NDArray[np.float32]]
    labels: Sequence[str]
    classes: Sequence[str]

    def best(self, file: str) -> list[str]:
        """The label that a file gives to each image."""
        return [self.classes[index] for index in self.probabilities[file].argmax(axis=1)]

    def largest_difference(self, file: str) -> float:
        """Of a probability of this file and of model.onnx."""
        return float(np.abs(self.probabilities[file] - self.probabilities[FP32]).max())


def main() -> None:
    """Print a row for each model file, on the table and on all folds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("--label-column", default="label")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--folds", type=Path, metavar="FOLDER", help="of `tests.benchmarks.fold_runs`")
    parser.add_argument("--root", type=Path, help="folder that the paths in the folds are relative to")
    options = parser.parse_args()
    bundle = read_bundle(options.bundle)
    predictors = predictors_of(bundle)
    table = predict(bundle, options.table, root=options.table.parent, label_column=options.label_column)
    data = (options.table.parent / read_rows(options.table)[0]["path"]).read_bytes()
    pixels = predictors[FP32].load(data).pixels[np.newaxis]
    network = thread_times(
        {name: partial(each.probabilities, pixels) for name, each in predictors.items()}, options.runs
    )
    request = thread_times({name: partial(each.predict, data) for name, each in predictors.items()}, options.runs)
    columns = {"file": "file", "bytes": "bytes", "ms": "ms of the network, median (first decile)"}
    columns |= {"ratio": "times as fast", "request": "ms with decoding", **_JUDGED}
    rows = [
        {
            "file": file,
            "bytes": f"{len(bundle.models[file]):,}",
            "ms": _median(network[file]),
            "ratio": f"{np.median(network[FP32]) / np.median(network[file]):.2f}",
            "request": _median(request[file]),
            **judged([table], file),
        }
        for file in predictors
    ]
    print(f"{machine('cpu')}, {versions('onnxruntime')}; {len(table.labels):,} images\n\n{markdown(columns, rows)}")
    if options.folds:
        folds = [
            predict(read_bundle(fold / "run" / "bundle"), fold / "valid.csv", root=options.root, label_column="label")
            for fold in kept_runs(options.folds)
        ]
        rows = [{"file": file, **judged(folds, file)} for file in (FP32, INT8)]
        count = sum(len(fold.labels) for fold in folds)
        print(f"\n{len(folds)} folds, {count:,} images\n\n{markdown({'file': 'file', **_JUDGED}, rows)}")
    for file in predictors:
        kinds = node_times(bundle.models[file], pixels)
        listed = ", ".join(f"{kind} {microseconds:.0f}" for kind, microseconds in kinds[:_KINDS])
        print(f"\n{file}, us by kind of node: {listed}")


_JUDGED = {"accuracy": "accuracy", "f1": "macro F1", "flips": "other labels", "largest": "largest difference"}


def judged(predicted: Sequence[Predicted], file: str) -> dict[str, str]:
    """Cells about the labels that a file gives; model.onnx stands in if a bundle lacks it, as when it is served."""
    used = [(each, file if file in each.probabilities else FP32) for each in predicted]
    found = [label for each, name in used for label in each.best(name)]
    first = [label for each in predicted for label in each.best(FP32)]
    right = [label for each in predicted for label in each.labels]
    return {
        "accuracy": percent(float(np.mean([one == other for one, other in zip(found, right, strict=True)]))),
        "f1": f"{f1_score(right, found, labels=sorted({*right}), average='macro', zero_division=0):.3f}",
        "flips": percent(float(np.mean([one != other for one, other in zip(found, first, strict=True)]))),
        "largest": f"{max(each.largest_difference(name) for each, name in used):.3f}",
    }


def predictors_of(bundle: Bundle) -> dict[str, Predictor]:
    """Model file -> what runs it, as a service does by default."""
    return {file: Predictor(bundle, model_file=file) for file in (FP32, INT8) if file in bundle.models}


def predict(bundle: Bundle, table: Path, *, root: Path, label_column: str) -> Predicted:
    """Predict the images of a table with every model file."""
    predictors, rows = predictors_of(bundle), read_rows(table)
    pixels = np.stack([predictors[FP32].load((root / row["path"]).read_bytes()).pixels for row in rows])
    known = set(bundle.spec.classes)
    return Predicted(
        probabilities={
            file: np.concatenate(
                [predictor.probabilities(part) for part in np.array_split(pixels, -(-len(pixels) // _BATCH))]
            )
            for file, predictor in predictors.items()
        },
        labels=[row[label_column] if row[label_column] in known else "" for row in rows],
        classes=bundle.spec.classes,
    )


def _median(times: Sequence[float]) -> str:
    return f"{np.median(times):.2f} ({np.quantile(times, 0.1):.2f})"


def thread_times(works: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Processor time of each work in ms, in turn."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(_WARM_UP + runs):
        for name, work in works.items():
            started = time.thread_time()
            work()
            if number >= _WARM_UP:
                times[name].append(1e3 * (time.thread_time() - started))
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
