"""A graph computes what ONNX says, in place; anything but a plain graph is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import GraphRecord, TensorRecord
from sim2real.runtime.onnx_file import refuse_unsafe_graph
from sim2real.runtime.onnx_model import OnnxModel

RECORD = GraphRecord(
    role="policy",
    file="policy.onnx",
    inputs=(TensorRecord(name="observation", dtype="float32", shape=(1, 2)),),
    outputs=(TensorRecord(name="action", dtype="float32", shape=(1, 2)),),
    max_parity_error=0.0,
)


def graph(
    *,
    operator: str = "Add",
    domain: str = "",
    size: int = 2,
    dtype: int = TensorProto.FLOAT,
    names: tuple[str, str] = ("observation", "action"),
) -> onnx.ModelProto:
    offset = helper.make_tensor("offset", dtype, [1, size], range(size))
    node = helper.make_node(operator, [names[0], "offset"], [names[1]], domain=domain)
    return helper.make_model(
        helper.make_graph(
            [node],
            "graph",
            [helper.make_tensor_value_info(names[0], dtype, [1, size])],
            [helper.make_tensor_value_info(names[1], dtype, [1, size])],
            [offset],
        ),
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
    )


def refusal(model: onnx.ModelProto | bytes) -> BadInput:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(BadInput) as refused:
        OnnxModel(content, RECORD, "policy.onnx")
    assert "\n" not in str(refused.value)
    return refused.value


def test_it_computes_into_arrays_that_stay_where_they_are():
    model = OnnxModel(graph().SerializeToString(), RECORD, "policy.onnx")
    observation, action = model.inputs["observation"], model.outputs["action"]

    for value in (1.0, -2.0):
        observation[:] = value
        model.run()
        np.testing.assert_array_equal(action, [[value, value + 1]])

    assert model.outputs["action"] is action


def test_other_names_shapes_and_types_are_refused():
    assert refusal(graph(names=("obs", "action"))).field == "inputs"
    assert refusal(graph(names=("observation", "actions"))).field == "outputs"
    shape = refusal(graph(size=3))
    assert shape.field == "input observation shape"
    assert (shape.found, shape.expected) == ((1, 3), "(1, 2)")
    dtype = refusal(graph(dtype=TensorProto.INT64))
    assert dtype.field == "input observation dtype"
    assert (dtype.found, dtype.expected) == ("int64", "float32")


def test_a_free_dimension_is_refused():
    model = graph()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"

    assert refusal(model).field == "input observation shape"


def test_operators_beyond_the_standard_are_refused():
    # BiasGelu is one that this very ONNX Runtime could run: it must still not be in a bundle.
    refused = refusal(graph(operator="BiasGelu", domain="com.microsoft"))
    assert (refused.field, refused.found) == ("operators", "com.microsoft.BiasGelu")
    refused = refusal(graph(operator="Conjure"))
    assert "Conjure" in str(refused)


def test_operators_hidden_in_a_branch_are_refused():
    inner = graph(operator="BiasGelu", domain="com.microsoft").graph
    branch = helper.make_node("If", ["observation"], ["action"], then_branch=inner)
    model = graph()
    model.graph.node.append(branch)

    assert refusal(model).field == "operators"


def test_local_functions_are_refused():
    model = graph()
    model.functions.append(
        helper.make_function("local", "F", ["x"], ["y"], [], [helper.make_opsetid("", 20)])
    )

    assert refusal(model).field == "functions"


@pytest.mark.parametrize("location", ["weights.bin", "../../secret", "/etc/passwd"])
def test_data_outside_of_the_file_is_refused(location):
    model = graph()
    tensor = model.graph.initializer[0]
    tensor.ClearField("int64_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)

    refused = refusal(model)

    assert (refused.field, refused.found) == ("tensor offset", "external data")


def test_external_data_in_a_constant_is_refused():
    model = graph()
    constant = helper.make_tensor("hidden", TensorProto.FLOAT, [1], [0.0])
    constant.data_location = TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=constant))

    assert refusal(model).field == "tensor hidden"


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x3a\xff\xff\xff\xff\x0f", b"\x0b"])
def test_other_files_are_refused(content):
    assert refusal(content).field == "file"


@given(data=st.data())
@settings(max_examples=200)
def test_damaged_bytes_never_do_anything_but_refuse(data):
    content = bytearray(graph().SerializeToString())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))

    for damaged in (bytes(content), bytes(content[:cut])):
        try:
            refuse_unsafe_graph(damaged, "policy.onnx")
        except BadInput as refused:
            assert "\n" not in str(refused)
