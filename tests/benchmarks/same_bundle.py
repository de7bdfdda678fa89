"""Compare two runs on the same data bit by bit: did a change of the code change what is trained and exported?

    python -m tests.benchmarks.same_bundle RUN1 RUN2

Compares the tensors of the best checkpoint, head.npy, the probabilities of the golden images, what model.onnx computes,
and the bytes of model.int8.onnx. Names may differ: tensors are compared in the order of their names, and the graph of
model.onnx without names, metadata, doc strings and the order of its nodes and weights. Exits with 1 if anything else
differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from safetensors.torch import load_file

from tests.benchmarks.training.results import markdown
from trainer.export.graph import strip_metadata

CHECKPOINT = Path("checkpoints", "best.safetensors")
HEAD = Path("bundle", "head.npy")
GOLDEN = Path("bundle", "golden", "golden.json")
MODEL = Path("bundle", "model.onnx")
INT8_MODEL = Path("bundle", "model.int8.onnx")

_COLUMNS = {"part": "part", "result": "result", "detail": "detail"}


@dataclass(frozen=True)
class Comparison:
    """Whether one part of two runs is the same, and more about it in words."""

    same: bool
    detail: str


def main() -> int:
    """Print a row for each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, metavar="RUN1")
    parser.add_argument("second", type=Path, metavar="RUN2")
    options = parser.parse_args()
    for run in (options.first, options.second):
        for part in (CHECKPOINT, GOLDEN, MODEL):
            if not (run / part).is_file():
                parser.error(f"{run} has no {part}")
    found = compare_runs(options.first, options.second)
    rows = [
        {"part": part, "result": "same" if comparison.same else "DIFFERENT", "detail": comparison.detail}
        for part, comparison in found.items()
    ]
    print(markdown(_COLUMNS, rows))
    return 0 if all(comparison.same for comparison in found.values()) else 1


def compare_runs(first: Path, second: Path) -> dict[str, Comparison]:
    """Compare two RUN folders: name of a part -> what was found."""
    return {
        str(CHECKPOINT): compare_checkpoints(first / CHECKPOINT, second / CHECKPOINT),
        str(HEAD): compare_bytes(first / HEAD, second / HEAD),
        "golden probabilities": compare_golden(first / GOLDEN, second / GOLDEN),
        str(MODEL): compare_models(first / MODEL, second / MODEL),
        str(INT8_MODEL): compare_bytes(first / INT8_MODEL, second / INT8_MODEL),
    }


def compare_checkpoints(first: Path, second: Path) -> Comparison:
    """Compare the tensors of two checkpoints in the order of their names."""
    ours, theirs = sorted(load_file(first).items()), sorted(load_file(second).items())
    if len(ours) != len(theirs):
        return Comparison(False, f"{len(ours)} and {len(theirs)} tensors")
    different = [
        name
        for (name, one), (_, other) in zip(ours, theirs, strict=True)
        if one.dtype != other.dtype or not torch.equal(one, other)
    ]
    renamed = [(name, other) for (name, _), (other, _) in zip(ours, theirs, strict=True) if name != other]
    details = [f"{len(ours)} tensors"]
    if different:
        details.append(f"{len(different)} differ, first {different[0]}")
    if renamed:
        details.append(f"{len(renamed)} have other names, first {renamed[0][0]} and {renamed[0][1]}")
    return Comparison(not different, "; ".join(details))


def compare_bytes(first: Path, second: Path) -> Comparison:
    """Compare two files, which may both be absent."""
    ours, theirs = (path.read_bytes() if path.exists() else None for path in (first, second))
    sizes = " and ".join("absent" if data is None else f"{len(data):,} bytes" for data in (ours, theirs))
    return Comparison(ours == theirs, sizes)


def compare_golden(first: Path, second: Path) -> Comparison:
    """Compare the expected probabilities of two golden.json."""
    ours, theirs = (_golden_probabilities(path) for path in (first, second))
    if ours.keys() != theirs.keys() or any(len(ours[key]) != len(theirs[key]) for key in ours):
        return Comparison(False, f"{len(ours)} and {len(theirs)} images, or another number of classes")
    largest = max(float(np.abs(ours[key] - theirs[key]).max()) for key in ours)
    return Comparison(largest == 0, f"{len(ours)} images; largest difference {largest:.3g}")


def _golden_probabilities(path: Path) -> dict[str, np.ndarray]:
    """Path and model file of each golden image -> float64 [K]."""
    return {
        f"{image['path']} {model}": np.array(expected["probabilities"])
        for image in json.loads(path.read_text(encoding="utf-8"))["images"]
        for model, expected in image["models"].items()
    }


def compare_models(first: Path, second: Path) -> Comparison:
    """Compare what two ONNX files compute."""
    ours, theirs = onnx.load(first), onnx.load(second)
    sizes = f"{first.stat().st_size:,} and {second.stat().st_size:,} bytes"
    for model in (ours, theirs):
        strip_metadata(model)
    if ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True):
        return Comparison(True, f"{sizes}; the same bytes without metadata")
    if graph_digest(ours) == graph_digest(theirs):
        return Comparison(True, f"{sizes}; the same graph, with other names or in another order")
    return Comparison(False, sizes)


def graph_digest(model: onnx.ModelProto) -> str:
    """Hash what a model computes from its inputs and weights.

    Each value is hashed from the operator that makes it and from the hashes of what goes into it, so names and order do
    not count; the names, types and shapes of the inputs and outputs do. Nodes that no output needs do not count.
    (Outer names inside the subgraph of an If or a Loop do count.)
    """
    digests = {"": "absent"}
    for value in model.graph.input:
        digests[value.name] = _sha256(b"input", value.SerializeToString(deterministic=True))
    for tensor in model.graph.initializer:
        unnamed = onnx.TensorProto()
        unnamed.CopyFrom(tensor)
        unnamed.ClearField("name")
        digests[tensor.name] = _sha256(b"weight", unnamed.SerializeToString(deterministic=True))
    for node in model.graph.node:  # in topological order, as ONNX demands
        attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
        inputs = [digests[name].encode() for name in node.input]
        operator = f"{node.domain} {node.op_type} {node.overload}".encode()
        made = _sha256(operator, *attributes, b"inputs", *inputs)
        for position, name in enumerate(node.output):
            digests[name] = _sha256(made.encode(), str(position).encode())
    outputs = [
        (value.SerializeToString(deterministic=True), digests[value.name].encode()) for value in model.graph.output
    ]
    functions = [function.SerializeToString(deterministic=True) for function in model.functions]
    opsets = sorted(f"{opset.domain} {opset.version}".encode() for opset in model.opset_import)
    return _sha256(*(part for output in outputs for part in output), *functions, *opsets)


def _sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)} ".encode() + part)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
