"""An ONNX graph of anybody's, whose inputs and outputs are called by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim2real.contract.errors import BadInput, WorkFailed
from sim2real.runtime.onnx_file import refuse_unsafe_graph
from sim2real.runtime.onnx_model import opened
from training.worlds.vector_world import Float

Shape = tuple[int, ...]
_FLOAT = "tensor(float)"


class OnnxGraph:
    """One graph in float32, on one thread. Sizes that it leaves open are 1."""

    def __init__(
        self, path: Path, inputs: Mapping[str, Shape | None], outputs: Sequence[str]
    ) -> None:
        """`inputs` are all that it has, with the shapes that they have to take; None: any.

        Raises `BadInput` for a file that is no such graph, or none that may be run: one that asks
        for other files or for operators beyond the standard.
        """
        self._where, self._names = str(path), list(outputs)
        try:
            content = path.read_bytes()
        except OSError as error:
            found = error.strerror or str(error)
            raise BadInput(self._where, "file", found=found, expected="an ONNX model") from None
        refuse_unsafe_graph(content, self._where)
        self._session = opened(content, self._where)
        declared = {each.name: each for each in self._session.get_inputs()}
        self._require_names("inputs", list(declared), list(inputs))
        self.inputs = {name: self._shape(declared[name], wanted) for name, wanted in inputs.items()}
        there = [each.name for each in self._session.get_outputs()]
        for name in outputs:
            if name not in there:
                raise BadInput(self._where, "outputs", found=", ".join(there), expected=name)
        self.outputs = self._tried()

    def run(self, inputs: Mapping[str, Float]) -> dict[str, Float]:
        """Outputs by name. Raises `WorkFailed` for one that is not finite."""
        outputs = dict(zip(self._names, self._session.run(self._names, dict(inputs)), strict=True))
        for name, value in outputs.items():
            if not np.isfinite(value).all():
                raise WorkFailed(f"{self._where}: {name} is not finite")
        return outputs

    def require(self, output: str, shape: Shape) -> None:
        """Raise `BadInput` unless an output has that shape."""
        found = self.outputs[output]
        if found != shape:
            raise BadInput(self._where, f"shape of {output}", found=found, expected=str(shape))

    def _require_names(self, what: str, found: list[str], named: list[str]) -> None:
        if set(found) != set(named):
            expected = f"{', '.join(named)}, as its YAML file says"
            raise BadInput(self._where, what, found=", ".join(found) or "none", expected=expected)

    def _shape(self, declared: Any, wanted: Shape | None) -> Shape:
        """The wanted shape, or what is declared with 1 for sizes that are left open."""
        name = f"input {declared.name}"
        if declared.type != _FLOAT:
            raise BadInput(self._where, name, found=declared.type, expected="float32")
        fixed = [size if isinstance(size, int) else None for size in declared.shape]
        shape = tuple(size or 1 for size in fixed) if wanted is None else wanted
        fits = len(fixed) == len(shape) and all(
            size in (None, own) for size, own in zip(fixed, shape, strict=True)
        )
        if not fits:
            raise BadInput(self._where, name, found=declared.shape, expected=str(shape))
        return shape

    def _tried(self) -> dict[str, Shape]:
        """Shapes of the outputs, of one run on zeros."""
        zeros = {name: np.zeros(shape, np.float32) for name, shape in self.inputs.items()}
        try:
            outputs = self._session.run(self._names, zeros)
        except Exception as error:  # ONNX Runtime's exceptions share no other base
            found = " ".join(str(error).split())[:120]
            raise BadInput(self._where, "graph", found=found, expected="one that runs") from None
        return {name: np.shape(value) for name, value in zip(self._names, outputs, strict=True)}
