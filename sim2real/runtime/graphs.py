"""Which graphs a bundle holds for each kind of adaptation, and what goes in and out of them.

Exporter and controller both go by these names and shapes, and the loader holds every manifest to
them. Observations enter raw: the normaliser is part of every graph that sees one. There is no
batch: a robot is one robot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from sim2real.contract.manifest import Manifest, TensorRecord

Role = Literal["policy", "encoder", "recurrent", "adapt"]


SERVED_KINDS = ("none", "gaussian_belief", "recurrent_belief")
"""kinds of adaptation that a controller serves; the schema knows more"""


class Signature(NamedTuple):
    """Inputs and outputs of one graph, in order."""

    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]


def signatures(manifest: Manifest) -> Mapping[Role, Signature]:
    """The graphs that the manifest's kind of adaptation needs.

    Raises `ValueError`, saying which kinds there are, for one that no controller serves.
    """
    observation = _row("observation", manifest.observation.layout.size)
    action = _row("action", manifest.action.size)
    adaptation = manifest.adaptation
    context_size = 0 if manifest.context is None else manifest.context.layout.size
    latent_size, hidden_size = adaptation.latent_size, adaptation.hidden_size
    if adaptation.kind == "none":
        return {"policy": Signature((observation,), (action,))}
    if adaptation.kind == "gaussian_belief":
        factor = (_row("mean", latent_size), _row("variance", latent_size))
        return {
            "policy": Signature((observation, _row("latent", latent_size)), (action,)),
            "encoder": Signature((_row("context_row", context_size),), factor),
        }
    if adaptation.kind == "recurrent_belief":
        hidden = _row("hidden", hidden_size)
        return {
            "policy": Signature((observation, hidden), (action,)),
            "recurrent": Signature(
                (_row("context_row", context_size), hidden), (_row("next_hidden", hidden_size),)
            ),
        }
    raise ValueError(f"one of {', '.join(SERVED_KINDS)}")


def _row(name: str, size: int) -> TensorRecord:
    return TensorRecord(name=name, dtype="float32", shape=(1, size))
