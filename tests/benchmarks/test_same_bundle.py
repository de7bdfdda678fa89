from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.benchmarks.same_bundle import CHECKPOINT, GOLDEN, HEAD, INT8_MODEL, MODEL, compare_runs, graph_digest
from tests.support.bundles import make_head, make_model, write_tiny_bundle


def write_run(run: Path) -> Path:
    write_tiny_bundle(run / "bundle")
    (run / CHECKPOINT).parent.mkdir()
    save_file({"body.weight": torch.arange(6.0), "head.bias": torch.zeros(3)}, run / CHECKPOINT)
    return run


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    return write_run(tmp_path / "first"), write_run(tmp_path / "second")


def different_parts(runs: tuple[Path, Path]) -> list[str]:
    return [part for part, comparison in compare_runs(*runs).items() if not comparison.same]


def test_equal_runs_are_the_same(runs: tuple[Path, Path]) -> None:
    assert different_parts(runs) == []


def test_other_names_of_tensors_are_reported_but_no_difference(runs: tuple[Path, Path]) -> None:
    tensors = load_file(runs[1] / CHECKPOINT)
    save_file({name.replace("body", "backbone"): tensor for name, tensor in tensors.items()}, runs[1] / CHECKPOINT)
    found = compare_runs(*runs)[str(CHECKPOINT)]
    assert found.same
    assert found.detail == "2 tensors; 1 have other names, first body.weight and backbone.weight"


def test_one_other_weight_is_a_difference(runs: tuple[Path, Path]) -> None:
    tensors = load_file(runs[1] / CHECKPOINT)
    tensors["head.bias"][1] = 1e-30
    save_file(tensors, runs[1] / CHECKPOINT)
    assert different_parts(runs) == [str(CHECKPOINT)]


def test_one_other_byte_or_probability_is_a_difference(runs: tuple[Path, Path]) -> None:
    (runs[1] / HEAD).unlink()
    golden = json.loads((runs[1] / GOLDEN).read_text())
    golden["images"][0]["models"]["model.onnx"]["probabilities"][0] += 1e-9
    (runs[1] / GOLDEN).write_text(json.dumps(golden))
    (runs[1] / INT8_MODEL).write_bytes(b"8")
    assert different_parts(runs) == [str(HEAD), "golden probabilities", str(INT8_MODEL)]


def test_names_metadata_and_order_of_a_graph_do_not_count(runs: tuple[Path, Path]) -> None:
    path = runs[1] / MODEL
    model = onnx.load(path)
    model.graph.node[0].doc_string = "File graph.py"
    model.graph.initializer.reverse()
    for node in model.graph.node:
        node.name = f"node_{node.op_type}"
        node.input[:] = ["weights" if name == "head" else name for name in node.input]
    next(tensor for tensor in model.graph.initializer if tensor.name == "head").name = "weights"
    onnx.save(model, path)
    assert different_parts(runs) == []


def test_what_a_graph_computes_counts() -> None:
    head = make_head(3)
    model = onnx.load_from_string(make_model(head))
    digest = graph_digest(model)
    assert graph_digest(onnx.load_from_string(make_model(head))) == digest
    assert graph_digest(onnx.load_from_string(make_model(2 * head))) != digest
    assert graph_digest(onnx.load_from_string(make_model(head, task="multilabel"))) != digest
    assert graph_digest(onnx.load_from_string(make_model(head, size=64))) != digest
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    gemm.input[0], gemm.input[1] = gemm.input[1], gemm.input[0]
    assert graph_digest(model) != digest
