"""The accuracy of a run, measured three ways: metrics.json, `service predict`, and the running service over HTTP.

    python -m tests.benchmarks.agreement RUN

Predicts every validation image of RUN/catalog.csv and compares image by image; exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx

from tests.support.server import RunningServer


def main() -> int:
    """Compare, and print the three accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    root = Path(tomllib.loads((run / "recipe.toml").read_text())["data"]["base"])
    rows = list(csv.DictReader((run / "catalog.csv").read_text(encoding="utf-8").splitlines()))
    rows = [row for row in rows if row["split"] == "valid"]
    files = [str(root / row["path"]) for row in rows]
    bundle = run / "bundle"

    from_metrics = json.loads((bundle / "metrics.json").read_text())["models"]["model.onnx"]["validation"]["accuracy"]
    command = [sys.executable, "-m", "service", "predict", str(bundle), "--json", "--model", "fp32", *files]
    predicted = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["images"]
    with RunningServer(bundle, "--model", "fp32") as server, httpx.Client(base_url=server.url, timeout=30) as client:
        headers = {"Content-Type": "application/octet-stream"}
        served = [client.post("/v1/predict", content=Path(file).read_bytes(), headers=headers).json() for file in files]

    by_command = sum(
        prediction["label"] == row["label"] for prediction, row in zip(predicted, rows, strict=True)
    ) / len(rows)
    by_http = sum(prediction["label"] == row["label"] for prediction, row in zip(served, rows, strict=True)) / len(rows)
    same = sum(
        (one["label"], one["probability"]) == (other["label"], other["probability"])
        for one, other in zip(predicted, served, strict=True)
    )
    print(f"metrics.json {from_metrics}, service predict {by_command}, over HTTP {by_http}")
    print(f"the same label and probability by command and over HTTP: {same} of {len(rows)} images")
    return 0 if from_metrics == by_command == by_http and same == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
