"""Torch modules to ONNX graphs: fixed names, fixed shapes, nothing of the exporting machine."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import nn

from sim2real.runtime.kinds.kind import Signature

OPSET = 20
"""the operator set that torch's exporter writes by itself; ONNX Runtime knows it since 1.17"""


def to_onnx(module: nn.Module, signature: Signature) -> bytes:
    """The ONNX file of a module whose inputs and outputs are those of the signature.

    Tensors have a leading axis of 1 and no free dimension: a robot is one robot.

    Raises `ValueError` when the exported graph has others, or GRUs that compute something else.
    """
    module = module.eval().cpu()
    inputs = tuple(
        torch.zeros(tensor.shape, dtype=getattr(torch, tensor.dtype)) for tensor in signature.inputs
    )
    with _quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            module,
            inputs,
            dynamo=True,
            input_names=[tensor.name for tensor in signature.inputs],
            output_names=[tensor.name for tensor in signature.outputs],
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _forget_origin(model)
    onnx.checker.check_model(model, full_check=True)
    _require_shapes("inputs", model.graph.input, signature)
    _require_shapes("outputs", model.graph.output, signature)
    require_torch_gru(model.graph)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _forget_origin(model: onnx.ModelProto) -> None:
    """Drop stack traces and paths of the exporting machine: equal weights give equal files."""
    model.doc_string = ""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input):
        part.doc_string = ""
        del part.metadata_props[:]
    for output in model.graph.output:
        del output.metadata_props[:]


def _require_shapes(kind: str, found: Sequence[onnx.ValueInfoProto], signature: Signature) -> None:
    expected = signature.inputs if kind == "inputs" else signature.outputs
    shapes = [(item.name, _shape(item)) for item in found]
    wanted = [(tensor.name, tensor.shape) for tensor in expected]
    if shapes != wanted:
        raise ValueError(f"the graph has {kind} {shapes}, expected {wanted}")


def require_torch_gru(graph: onnx.GraphProto) -> None:
    """Raise `ValueError` for a GRU that applies its reset gate before the hidden state's weights.

    Torch multiplies first (`linear_before_reset` 1), ONNX's default is the other way round, and
    exporters of torch have written the default without a word. With a hidden state of zero the two
    are equal.
    """
    for node in graph.node:
        if node.op_type == "GRU":
            given = {attribute.name: attribute.i for attribute in node.attribute}
            if given.get("linear_before_reset", 0) != 1:
                expected = "linear_before_reset 1, as torch computes it"
                raise ValueError(f"GRU {node.name}: found 0, expected {expected}")


def _shape(item: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(axis.dim_value for axis in item.type.tensor_type.shape.dim)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Torch's exporter warns about torchvision, about its own future and about what its optimiser
    leaves as it is; none of it concerns us."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
