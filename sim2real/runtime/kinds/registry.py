"""All kinds of adaptation, and what is asked about the one that a manifest or its settings name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sim2real.contract.camera import num_features
from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import Adaptation as AdaptationRecord
from sim2real.contract.manifest import Manifest, TensorRecord, parse_manifest
from sim2real.contract.quantity import Quantity
from sim2real.contract.strict import build
from sim2real.runtime.kinds import (
    gaussian_belief,
    gradient,
    latent_search,
    none,
    recurrent_belief,
)
from sim2real.runtime.kinds.kind import BeliefSummary, Kind, Role, Settings, Signature, Sizes, row

S = TypeVar("S", bound=Settings)

KINDS: Mapping[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        none.KIND,
        gaussian_belief.KIND,
        recurrent_belief.KIND,
        gradient.KIND,
        latent_search.KIND,
    )
}
"""by the manifest's `adaptation.kind`"""
REHEARSED: Settings = gaussian_belief.KIND.examples[0]
"""what is measured and rehearsed where nothing has been trained"""


def kind_of(settings: Settings) -> Kind[Any]:
    """The kind that has such settings."""
    return next(kind for kind in KINDS.values() if isinstance(settings, kind.settings_type))


def record_of(settings: Settings) -> AdaptationRecord:
    """As a manifest holds them."""
    plain = json.loads(json.dumps(dataclasses.asdict(settings)))  # type: ignore[call-overload]
    return AdaptationRecord(kind=kind_of(settings).name, settings=plain)


def settings_of(record: AdaptationRecord, where: str) -> Settings:
    """The settings in a manifest; `where` names its file.

    Raises `BadInput` for a kind that no controller serves, and for settings that do not fit it.
    """
    if record.kind not in KINDS:
        expected = f"one of {', '.join(KINDS)}"
        raise BadInput(where, "adaptation.kind", found=record.kind, expected=expected)
    kind = KINDS[record.kind]
    given = {**kind.added_later, **record.settings}
    settings: Settings = build(kind.settings_type, given, where, "adaptation.settings")
    return settings


def with_settings(settings: S, assignments: Sequence[str], where: str, field: str) -> S:
    """The same with NAME=VALUE assignments; values are JSON, or text where they are not.

    Raises `BadInput` naming `where` and `field` for what is no assignment or does not fit.
    """
    plain = dict(record_of(settings).settings)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise BadInput(where, field, found=assignment, expected="NAME=VALUE")
        try:
            plain[name] = json.loads(text)
        except json.JSONDecodeError:
            plain[name] = text
    return build(type(settings), plain, where, field)


def signatures(manifest: Manifest, settings: Settings) -> Mapping[Role, Signature]:
    """The graphs that a bundle of this manifest holds."""
    sizes = Sizes(
        observation=manifest.observation.layout.size,
        action=manifest.action.size,
        context=0 if manifest.context is None else manifest.context.layout.size,
    )
    return {**kind_of(settings).signatures(settings, sizes), **eye_signature(manifest)}


def eye_signature(manifest: Manifest) -> Mapping[Role, Signature]:
    """What goes in and out of the eye, whatever adapts; empty for a policy that is blind."""
    if manifest.camera is None:
        return {}
    frame = TensorRecord(name="frame", dtype="uint8", shape=(1, *manifest.camera.shape))
    size = num_features(manifest.observation.layout)
    return {"eye": Signature((frame,), (row("features", size),))}


def quantities_of(manifest: Manifest) -> tuple[Quantity, ...]:
    """What the dimensions of a bundle's belief are, in order; empty where they are a latent's.

    Raises `BadInput` for settings that do not fit.
    """
    settings = settings_of(manifest.adaptation, "manifest")
    quantities: tuple[Quantity, ...] = kind_of(settings).quantities(settings)
    return quantities


def quantities_told(manifest_json: str) -> tuple[Quantity, ...]:
    """The same of a manifest that was published or recorded.

    Empty where none was told, or one of another version of taskbelief: its numbers are shown as a
    latent's are.
    """
    try:
        return quantities_of(parse_manifest(manifest_json, "bundle_info")) if manifest_json else ()
    except BadInput:
        return ()


def belief_of(memory: Mapping[str, Sequence[float]]) -> BeliefSummary | None:
    """The belief in a memory of whatever kind; None where what is remembered is no Gaussian."""
    found = (kind.belief_of(memory) for kind in KINDS.values())
    return next((belief for belief in found if belief is not None), None)
