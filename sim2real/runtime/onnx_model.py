"""One ONNX graph, ready to be run at control rate.

Defaults of ONNX Runtime suit servers: as many threads as cores, which spin while they wait. Here
one thread computes, nothing spins, and inputs and outputs are bound once to arrays that stay where
they are, so that a run allocates nothing and always takes the same path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import GraphRecord, TensorRecord
from sim2real.runtime.onnx_file import refuse_unsafe_graph

_NUM_WARM_UP_RUNS = 10
"""the first runs allocate and touch every weight; no tick shall pay for that"""
_RUNTIME_TYPES = {
    "tensor(float)": "float32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(uint8)": "uint8",
}


class OnnxModel:
    """A graph with its inputs and outputs as arrays: fill `inputs`, call `run`, read `outputs`.

    Every tensor has the shape and type that the manifest states; there are no free dimensions.
    """

    def __init__(self, content: bytes, record: GraphRecord, where: str) -> None:
        """`content` are the bytes of the file that `where` names in messages.

        Raises `BadInput` for what is no ONNX model, asks for more than the standard's operators
        or for data outside the file, or has other inputs or outputs than the manifest states.
        """
        refuse_unsafe_graph(content, where)
        self._session = opened(content, where)
        _require_tensors(self._session.get_inputs(), record.inputs, "input", where)
        _require_tensors(self._session.get_outputs(), record.outputs, "output", where)
        self.inputs = {tensor.name: _zeros(tensor) for tensor in record.inputs}
        self.outputs = {tensor.name: _zeros(tensor) for tensor in record.outputs}
        self._binding = self._session.io_binding()
        for name, array in self.inputs.items():
            self._binding.bind_input(
                name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
            )
        for name, array in self.outputs.items():
            self._binding.bind_output(
                name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
            )
        for _ in range(_NUM_WARM_UP_RUNS):
            self.run()

    def run(self) -> None:
        """Compute `outputs` from `inputs`, both in place."""
        self._session.run_with_iobinding(self._binding)


def opened(content: bytes, where: str) -> Any:
    """A session of ONNX Runtime on one thread that never spins. Raises `BadInput`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4  # what is wrong is raised below, in one line
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no other base
        problem = " ".join(str(error).split())
        raise BadInput(
            where, "file", found=problem, expected="a graph that ONNX Runtime can load"
        ) from None


def _zeros(tensor: TensorRecord) -> NDArray[Any]:
    return np.zeros(tensor.shape, tensor.dtype)


def _require_tensors(
    found: Sequence[Any], expected: Sequence[TensorRecord], kind: str, where: str
) -> None:
    names, expected_names = [item.name for item in found], [item.name for item in expected]
    if names != expected_names:
        raise BadInput(where, f"{kind}s", found=names, expected=str(expected_names))
    for item, record in zip(found, expected, strict=True):
        if tuple(item.shape) != record.shape:
            raise BadInput(
                where,
                f"{kind} {record.name} shape",
                found=tuple(item.shape),
                expected=str(record.shape),
            )
        dtype = _RUNTIME_TYPES.get(item.type, item.type)
        if dtype != record.dtype:
            raise BadInput(where, f"{kind} {record.name} dtype", found=dtype, expected=record.dtype)
