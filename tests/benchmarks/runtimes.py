"""A bundle under the oldest and the newest onnxruntime that the project allows: the same labels?

    python -m tests.benchmarks.runtimes BUNDLE TABLE.csv [--versions 1.22.0 ""] [--environments DIR]

Each version is installed into an environment of its own under DIR, beside the service; an empty version is the newest.
The table has, for each model file and version, how many images of TABLE.csv get another label than with the first
version, and the largest difference of a probability.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import tomllib
from pathlib import Path

import numpy as np

from service.bundle import FP32, INT8, read_bundle
from tests.benchmarks.environment import ROOT, Environment, make_environment
from tests.benchmarks.hardware import machine
from tests.benchmarks.training.results import markdown
from tests.benchmarks.training.tables import read_rows

# Arguments: a bundle, a model file, where the probabilities go; on standard input the paths of the images.
_PREDICT = """
import json, sys
import numpy as np
from pathlib import Path
from service.bundle import read_bundle
from service.predictor import Predictor
predictor = Predictor(read_bundle(Path(sys.argv[1])), model_file=sys.argv[2])
np.save(sys.argv[3], [predictor.predict(Path(path).read_bytes()).probabilities for path in json.load(sys.stdin)])
"""


def main() -> None:
    """Print a row for each model file and version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("--versions", nargs="+", default=[oldest(), ""])
    parser.add_argument("--environments", type=Path, help="default: a temporary folder, removed at the end")
    options = parser.parse_args()
    files = [str(options.table.parent.resolve() / row["path"]) for row in read_rows(options.table)]
    bundle, lines = read_bundle(options.bundle), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.environments or Path(temporary)
        environments = [
            make_environment(folder / f"onnxruntime-{version or 'newest'}", [str(ROOT), requirement(version)])
            for version in options.versions
        ]
        for model_file in (file for file in (FP32, INT8) if file in bundle.models):
            found = [predict(environment, options.bundle, model_file, files) for environment in environments]
            lines += [
                {
                    "file": model_file,
                    "version": environment.versions()["onnxruntime"],
                    "flips": f"{(each.argmax(axis=1) != found[0].argmax(axis=1)).sum()} of {len(files)}",
                    "largest": f"{np.abs(each - found[0]).max():.1e}",
                }
                for environment, each in zip(environments, found, strict=True)
            ]
    columns = {"file": "file", "version": "onnxruntime", "flips": "other labels", "largest": "largest difference"}
    print(f"{machine('cpu')}\n\n{markdown(columns, lines)}")


def oldest() -> str:
    """The oldest version that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return next(str(each).partition(">=")[2] for each in project["dependencies"] if each.startswith("onnxruntime>="))


def requirement(version: str) -> str:
    """What pip installs; the newest if the version is empty."""
    return f"onnxruntime=={version}.*" if version else "onnxruntime"


def predict(environment: Environment, bundle: Path, model_file: str, files: list[str]) -> np.ndarray:
    """The probabilities of image files, float32 [N, K], in the service of an environment."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "probabilities.npy"
        command = [str(environment.python), "-c", _PREDICT, str(bundle.resolve()), model_file, str(output)]
        subprocess.run(command, input=json.dumps(files), text=True, check=True, cwd=folder)
        probabilities: np.ndarray = np.load(output)
    return probabilities


if __name__ == "__main__":
    main()
