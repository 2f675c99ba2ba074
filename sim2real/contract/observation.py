"""The observation layout: which measured values a policy sees, in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Term:
    """One named slice of an observation."""

    name: str
    size: int
    unit: str


@dataclass(frozen=True, kw_only=True)
class ObservationLayout:
    """The terms of an observation in order. The only place where observations are put together."""

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"a term appears twice in {names}")
        if any(term.size < 1 for term in self.terms):
            raise ValueError("every term needs at least one element")

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(term.name for term in self.terms)

    @cached_property
    def _name_set(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def size(self) -> int:
        return sum(term.size for term in self.terms)

    @property
    def digest(self) -> str:
        """Short hash of names, sizes, units and order."""
        text = ";".join(f"{term.name}:{term.size}:{term.unit}" for term in self.terms)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def slice_of(self, name: str) -> slice:
        """Where a term lies. Raises `KeyError` for a term that is not part of the layout."""
        start = 0
        for term in self.terms:
            if term.name == name:
                return slice(start, start + term.size)
            start += term.size
        raise KeyError(f"no term {name!r} in the layout: {', '.join(self.names)}")

    def pack(self, values: Mapping[str, NDArray[np.floating]]) -> Float:
        """Values by name, each (..., size), to one new (..., O) float32 array.

        Raises `ValueError` for a missing, an unknown, a wrongly sized or a non-finite term:
        on a robot each of them would be a silent lie to the policy.
        """
        if values.keys() != self._name_set:
            missing = sorted(self._name_set - values.keys())
            unknown = sorted(values.keys() - self._name_set)
            raise ValueError(f"observation terms missing: {missing}, unknown: {unknown}")
        for term in self.terms:
            shape = values[term.name].shape
            if shape[-1:] != (term.size,):
                raise ValueError(f"term {term.name}: shape {shape}, expected (..., {term.size})")
        packed = np.concatenate([values[name] for name in self.names], axis=-1, dtype=np.float32)
        if not np.isfinite(packed).all():
            wrong = [name for name in self.names if not np.isfinite(values[name]).all()]
            raise ValueError(f"observation terms not finite: {wrong}")
        return packed

    def unpack(self, observation: Float) -> dict[str, Float]:
        """The inverse of `pack`: views into (..., O) by term name."""
        if observation.shape[-1] != self.size:
            raise ValueError(f"observation {observation.shape}: expected (..., {self.size})")
        return {name: observation[..., self.slice_of(name)] for name in self.names}

    def __str__(self) -> str:
        lines = [f"{'index':>7}  {'size':>4}  {'unit':<8}  term"]
        for term in self.terms:
            part = self.slice_of(term.name)
            index = f"{part.start}" if term.size == 1 else f"{part.start}-{part.stop - 1}"
            lines.append(f"{index:>7}  {term.size:>4}  {term.unit:<8}  {term.name}")
        return "\n".join(lines)
