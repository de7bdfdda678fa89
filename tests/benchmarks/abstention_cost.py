"""What it costs that a model says that it does not know: bytes, time of the network, plain requests with and without.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.abstention_cost BUNDLE IMAGES... [--pairs 8] [--seconds 4]

The same bundle is served with `--abstain on` and `off`, in turns; the ratio of each pair counts. The time of the
network is that of one thread on the processor, both in turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from service.bundle import FP32, INT8, read_bundle
from service.cores import usable_cores
from service.predictor import Predictor
from tests.benchmarks.environment import Environment
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.images import read_images
from tests.benchmarks.model_files import thread_times
from tests.benchmarks.pairs import mean_ratio
from tests.benchmarks.side_by_side.measure import Load, measure_server
from tests.benchmarks.side_by_side.server_specs import Configuration
from tests.benchmarks.training.results import markdown

_OURS = "ood."  # names of the constants of the score


def main() -> None:
    """Print a row for each model file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path, nargs="+", help="images, or folders of them")
    parser.add_argument("--pairs", type=int, default=8, help="at least 2")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--runs", type=int, default=300)
    options = parser.parse_args()
    bundle, images = read_bundle(options.bundle), read_images(options.images, most=64)
    load = Load(images=images, clients=3 * usable_cores(), seconds=options.seconds, warm_up_s=1.0)
    rows = []
    for file, model in ((FP32, "fp32"), (INT8, "int8")):
        if file not in bundle.models:
            continue
        predictors = {state: Predictor(bundle, model_file=file, abstain=state == "on") for state in ("off", "on")}
        picture = predictors["off"].load(images[0])
        times = thread_times(
            {state: partial(each.classify, picture) for state, each in predictors.items()}, options.runs
        )
        speeds: dict[str, list[float]] = {"off": [], "on": []}
        for pair in range(options.pairs):
            for state in ("off", "on") if pair % 2 == 0 else ("on", "off"):
                speeds[state].append(requests_per_s(options.bundle, model, state, load))
        ratio, low, high = mean_ratio(speeds["off"], speeds["on"])
        rows.append(
            {
                "file": file,
                "bytes": f"{ood_bytes(bundle.models[file]):,} of {len(bundle.models[file]):,}",
                **{state: f"{np.median(times[state]):.2f}" for state in times},
                **{f"speed {state}": f"{np.median(speeds[state]):.1f}" for state in speeds},
                "ratio": f"{ratio:.3f} ({low:.3f} to {high:.3f})",
            }
        )
    columns = {"file": "file", "bytes": "bytes of the score", "off": "ms without", "on": "ms with it"}
    columns |= {"speed off": "requests/s without", "speed on": "with it", "ratio": "ratio (95 % interval)"}
    print(f"{machine('cpu')}, {versions('onnxruntime')}\n\n{markdown(columns, rows)}")


def requests_per_s(bundle: Path, model: str, state: str, load: Load) -> float:
    """Start the service, put it under load, stop it."""
    arguments = (
        "-m",
        "service",
        "serve",
        str(bundle.resolve()),
        "--port",
        "{port}",
        "--model",
        model,
        "--abstain",
        state,
    )
    configuration = Configuration(name=state, program="python", arguments=arguments)
    with tempfile.TemporaryDirectory() as folder:
        measured = measure_server(
            configuration, Environment(folder=Path(sys.prefix)), load, model=Path(folder), log=Path(folder) / "log"
        )
    return measured.requests_per_s


def ood_bytes(data: bytes) -> int:
    """Bytes of the constants that the score needs."""
    model = onnx.load_from_string(data)
    return sum(len(each.raw_data) for each in model.graph.initializer if each.name.startswith(_OURS))


if __name__ == "__main__":
    main()
