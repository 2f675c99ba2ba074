"""Parity: what torch computes against what ONNX Runtime computes, on recorded inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sim2real.runtime.kinds.kind import Signature
from sim2real.runtime.onnx_model import OnnxModel

MAX_PARITY_ERROR = 1e-5
"""an export beyond this is refused"""
MAX_EYE_PARITY_ERROR = 1e-4
"""of features in (-1, 1): an eye sums thousands of products in another order than torch does, and a
step of one pixel's brightness is forty times as much"""


def parity_error(
    module: nn.Module,
    model: OnnxModel,
    signature: Signature,
    recorded: Mapping[str, NDArray[Any]],
) -> float:
    """Largest difference over all outputs and all recorded rows, (T, ...) per input.

    Absolute up to one, relative above: not all outputs are actions.
    """
    names = [tensor.name for tensor in signature.inputs]
    tensors = [torch.from_numpy(np.ascontiguousarray(recorded[name])) for name in names]
    with torch.no_grad():
        outputs = module.eval()(*tensors)
    expected = dict(
        zip(
            [tensor.name for tensor in signature.outputs],
            [outputs] if isinstance(outputs, torch.Tensor) else outputs,
            strict=True,
        )
    )
    largest = 0.0
    for row in range(len(tensors[0])):
        for name in names:
            model.inputs[name][0] = recorded[name][row]
        model.run()
        for name, array in model.outputs.items():
            wanted = expected[name][row].numpy()
            difference = np.abs(array[0] - wanted) / np.maximum(1.0, np.abs(wanted))
            largest = max(largest, float(np.nan_to_num(difference, nan=np.inf).max()))
    return largest
