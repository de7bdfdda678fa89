"""The check is tested with files from the onnx package and from onnxruntime, and with bytes that no program writes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from service.bundle import BundleRefused, onnx_file
from tests.service.bundle.helpers import refusal, tiny_files

EXTERNAL = "m.onnx keeps weights in another file (external data)"


def refusal_of(data: bytes) -> str:
    return refusal(lambda: onnx_file.check(data, "m.onnx"))


def tiny_model() -> onnx.ModelProto:
    return onnx.load_from_string(tiny_files()["model.onnx"])


def external_tensor() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, dtype=np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def constant(tensor: onnx.TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["constant"], value=tensor)


def graph_of(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(nodes, "inner", [], [])


def in_initializer(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.initializer.append(tensor)


def in_attribute(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.node.append(constant(tensor))


def in_list_attribute(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.node.append(helper.make_node("Any", [], ["any"], tensors=[tensor]))


def in_subgraph(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    branch = graph_of(constant(tensor))
    model.graph.node.append(helper.make_node("If", ["c"], ["any"], then_branch=graph_of(), else_branch=branch))


def in_subgraph_list(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.node.append(helper.make_node("Any", [], ["any"], graphs=[graph_of(constant(tensor))]))


def in_function(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("", "F", [], ["constant"], [constant(tensor)], opset))


def in_function_default(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    function = helper.make_function("", "F", [], [], [], [helper.make_opsetid("", 17)])
    function.attribute_proto.append(helper.make_attribute("value", tensor))
    model.functions.append(function)


def in_sparse_initializer(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    indices = numpy_helper.from_array(np.arange(4), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, indices, [8]))


def in_sparse_attribute(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    indices = numpy_helper.from_array(np.arange(4), "indices")
    sparse = helper.make_sparse_tensor(tensor, indices, [8])
    model.graph.node.append(helper.make_node("Constant", [], ["constant"], sparse_value=sparse))


def in_training_graph(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.training_info.add().algorithm.CopyFrom(graph_of(constant(tensor)))


PLACES = (
    in_initializer,
    in_attribute,
    in_list_attribute,
    in_subgraph,
    in_subgraph_list,
    in_function,
    in_function_default,
    in_sparse_initializer,
    in_sparse_attribute,
    in_training_graph,
)


def node_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "evil"


def opset_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("evil", 1))


def subgraph_domain(model: onnx.ModelProto) -> None:
    branch = graph_of(helper.make_node("Op", [], ["x"], domain="evil"))
    model.graph.node.append(helper.make_node("If", ["c"], ["x"], then_branch=branch, else_branch=graph_of()))


def function_domain(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("evil", "F", [], [], [], [helper.make_opsetid("", 17)]))


def function_opset_domain(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("", "F", [], [], [], [helper.make_opsetid("evil", 1)]))


def function_node_domain(model: onnx.ModelProto) -> None:
    nodes = [helper.make_node("Op", [], ["x"], domain="evil")]
    model.functions.append(helper.make_function("", "F", [], ["x"], nodes, [helper.make_opsetid("", 17)]))


def varint(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7)


def field(key: bytes, content: bytes) -> bytes:
    return key + varint(len(content)) + content


def test_plain_model_is_accepted() -> None:
    onnx_file.check(tiny_files()["model.onnx"], "m.onnx")


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"])
def test_onnxruntimes_own_domains_are_accepted(domain: str) -> None:
    model = tiny_model()
    model.opset_import.append(helper.make_opsetid(domain, 1))
    model.graph.node[0].domain = domain
    onnx_file.check(model.SerializeToString(), "m.onnx")


@pytest.mark.parametrize("everything", [True, False])
def test_model_saved_with_external_data_is_refused(tmp_path: Path, everything: bool) -> None:
    path = tmp_path / "m.onnx"
    model = tiny_model()
    in_attribute(model, numpy_helper.from_array(np.ones(4000, dtype=np.float32)))
    onnx.save_model(
        model, path, save_as_external_data=True, size_threshold=0 if everything else 8000, convert_attribute=True
    )
    assert len(list(tmp_path.iterdir())) == 2
    assert refusal_of(path.read_bytes()) == EXTERNAL


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_external_tensor_is_found_in_every_place(
    place: Callable[[onnx.ModelProto, onnx.TensorProto], None],
) -> None:
    model = tiny_model()
    place(model, external_tensor())
    assert refusal_of(model.SerializeToString()) == EXTERNAL


@pytest.mark.parametrize("left_out", ["data_location", "external_data"])
def test_half_of_an_external_tensor_is_refused(left_out: str) -> None:
    model, tensor = tiny_model(), external_tensor()
    tensor.ClearField(left_out)
    in_initializer(model, tensor)
    assert refusal_of(model.SerializeToString()) == EXTERNAL


@pytest.mark.parametrize(
    "place",
    [node_domain, opset_domain, subgraph_domain, function_domain, function_opset_domain, function_node_domain],
    ids=lambda place: place.__name__,
)
def test_foreign_domain_is_found_in_every_place(place: Callable[[onnx.ModelProto], None]) -> None:
    model = tiny_model()
    place(model)
    assert refusal_of(model.SerializeToString()) == "m.onnx uses operators of the foreign domain 'evil'"


@pytest.mark.parametrize("domain", ["ai.onnx.contrib", "AI.ONNX", " ", "a\nb", "\x1b[2J"])
def test_domain_similar_to_an_allowed_one_is_foreign(domain: str) -> None:
    model = tiny_model()
    model.graph.node[0].domain = domain
    assert "foreign domain" in refusal_of(model.SerializeToString())


def test_field_number_that_protobuf_would_truncate_is_refused() -> None:
    # Protobuf in C++ drops the bits of a key above 32. So onnxruntime sees external_data (field 13, bytes) here, and
    # reads weights.bin in the working directory.
    entry = onnx.StringStringEntryProto(key="location", value="weights.bin").SerializeToString()
    tensor = field(varint(13 << 3 | 2 | 1 << 32), entry)
    data = tiny_files()["model.onnx"] + field(b"\x3a", field(b"\x2a", tensor))
    assert "a field number is too large" in refusal_of(data)


def test_data_location_that_protobuf_would_truncate_is_refused() -> None:
    tensor = varint(14 << 3) + varint(1 | 1 << 32)
    assert refusal_of(tiny_files()["model.onnx"] + field(b"\x3a", field(b"\x2a", tensor))) == EXTERNAL


def test_every_piece_of_a_split_graph_is_checked() -> None:
    model = onnx.ModelProto()
    in_initializer(model, external_tensor())
    assert refusal_of(tiny_files()["model.onnx"] + model.SerializeToString()) == EXTERNAL


def test_model_in_the_ort_format_is_refused(tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "m.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(tiny_files()["model.onnx"], options, providers=["CPUExecutionProvider"])
    assert "is not an ONNX model" in refusal_of((tmp_path / "m.ort").read_bytes())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x08\x08", id="no graph"),
        pytest.param(b"PK\x03\x04" + bytes(26), id="zip"),
        pytest.param(b"\x80\x04\x95pickle", id="pickle"),
        pytest.param(b"\x3a\xff\xff\xff\xff\x0f", id="graph of 4 GB"),
        pytest.param(b"\x38\x01", id="graph that is a number"),
        pytest.param(b"\x3b\x3c", id="group"),
        pytest.param(b"\xff" * 20, id="endless number"),
        pytest.param(b"\x3a\x02\x0a", id="cut in the graph"),
        pytest.param(field(b"\x3a", field(b"\x0a", field(b"\x3a", b"\xff"))), id="domain that is no UTF-8"),
    ],
)
def test_bytes_that_are_not_a_model_are_refused(data: bytes) -> None:
    assert "m.onnx is not an ONNX model" in refusal_of(data)


def test_deep_nesting_is_refused() -> None:
    graph = b""
    for _ in range(2000):  # a graph in an attribute of a node of a graph ...
        graph = field(b"\x0a", field(b"\x2a", field(b"\x32", graph)))
    assert "deep" in refusal_of(field(b"\x3a", graph))


def test_three_nested_ifs_are_accepted() -> None:
    graph = tiny_model().graph
    for _ in range(3):
        graph = graph_of(helper.make_node("If", ["c"], ["x"], then_branch=graph, else_branch=graph_of()))
    onnx_file.check(helper.make_model(graph).SerializeToString(), "m.onnx")


def test_truncated_model_is_accepted_or_refused() -> None:
    data = tiny_files()["model.onnx"]
    for end in range(len(data)):
        accepted_or_refused(data[:end])


def accepted_or_refused(data: bytes) -> None:
    """Any exception but BundleRefused fails the test."""
    try:
        onnx_file.check(data, "m.onnx")
    except BundleRefused as error:
        assert "m.onnx" in str(error)  # noqa: PT017  (both outcomes are right)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_accepted_or_refused(data: bytes) -> None:
    accepted_or_refused(data)
    accepted_or_refused(field(b"\x3a", data))


def test_any_altered_model_is_accepted_or_refused() -> None:
    chance = random.Random(0)
    for _ in range(1000):
        data = bytearray(tiny_files()["model.onnx"])
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        accepted_or_refused(bytes(data))
