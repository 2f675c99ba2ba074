"""Torch modules to ONNX graphs: fixed names and shapes, the normaliser inside.

Each wrapper below is one graph of a bundle. Its forward is what the robot computes, from raw
observations on; tensors have a leading axis of 1 and no free dimension.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.runtime.graphs import Signature

OPSET = 20
"""the operator set that torch's exporter writes by itself; ONNX Runtime knows it since 1.17"""


class NormalizerModule(nn.Module):
    """`FrozenNormalizer.normalize` as part of a graph."""

    mean: Tensor
    std: Tensor

    def __init__(self, normalizer: FrozenNormalizer) -> None:
        super().__init__()
        self.clip = float(normalizer.clip)
        self.register_buffer("mean", torch.tensor(normalizer.mean))
        self.register_buffer("std", torch.tensor(normalizer.std))

    def forward(self, observation: Tensor) -> Tensor:
        return ((observation - self.mean) / self.std).clamp(-self.clip, self.clip)


class PolicyGraph(nn.Module):
    """Raw observation, and what behaviour is conditioned on, to the deterministic action."""

    def __init__(self, policy: nn.Module, normalizer: FrozenNormalizer) -> None:
        """`policy.mode` maps (..., O + L) to actions (..., A) in (-1, 1)."""
        super().__init__()
        self.policy, self.normalizer = policy, NormalizerModule(normalizer)

    def forward(self, observation: Tensor, *condition: Tensor) -> Tensor:
        rows = torch.cat([self.normalizer(observation), *condition], dim=-1)
        action: Tensor = self.policy.mode(rows)  # type: ignore[operator]
        return action


class ContextRowModule(nn.Module):
    """Normalises the observations inside of a raw context row; the rest stays as it is."""

    def __init__(self, layout: ContextLayout, normalizer: FrozenNormalizer) -> None:
        super().__init__()
        self.layout, self.normalizer = layout, NormalizerModule(normalizer)

    def forward(self, row: Tensor) -> Tensor:
        size = self.layout.observation_size
        if not self.layout.uses_next_observation:
            return torch.cat([self.normalizer(row[..., :size]), row[..., size:]], dim=-1)
        pieces = [
            self.normalizer(row[..., :size]),
            row[..., size:-size],
            self.normalizer(row[..., -size:]),
        ]
        return torch.cat(pieces, dim=-1)


class EncoderGraph(nn.Module):
    """Raw context row to one Gaussian factor: mean and variance."""

    def __init__(
        self, encoder: nn.Module, layout: ContextLayout, normalizer: FrozenNormalizer
    ) -> None:
        super().__init__()
        self.encoder, self.row = encoder, ContextRowModule(layout, normalizer)

    def forward(self, context_row: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = self.encoder(self.row(context_row))
        return mean, variance


class RecurrentGraph(nn.Module):
    """Raw context row and hidden state to the next hidden state."""

    def __init__(
        self, recurrent: nn.Module, layout: ContextLayout, normalizer: FrozenNormalizer
    ) -> None:
        super().__init__()
        self.recurrent, self.row = recurrent, ContextRowModule(layout, normalizer)

    def forward(self, context_row: Tensor, hidden: Tensor) -> Tensor:
        next_hidden: Tensor = self.recurrent(self.row(context_row), hidden)
        return next_hidden


def to_onnx(module: nn.Module, signature: Signature) -> bytes:
    """The ONNX file of a module whose inputs and outputs are those of the signature.

    Raises `ValueError` when the exported graph has others.
    """
    module = module.eval().cpu()
    inputs = tuple(torch.zeros(tensor.shape) for tensor in signature.inputs)
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


def _shape(item: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(axis.dim_value for axis in item.type.tensor_type.shape.dim)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Torch's exporter warns about torchvision and about its own future; neither concerns us."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
