"""Bundles with random weights: to measure, test and rehearse before anything has been trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.manifest import Provenance
from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.runtime.bundle import write_bundle
from training.algorithms.learner import ExportParts
from training.export.make_bundle import Draft, Origin, make_draft
from training.families.claw import ClawFamily
from training.families.registry import FAMILIES
from training.parts.deployed import DeployedCell, DeployedEncoder, DeployedPolicy
from training.parts.encoders import ContextEncoder, RecurrentBelief
from training.parts.policies import TanhGaussianPolicy
from training.tasks.task_set import draw_task_set
from training.worlds.claw import ClawScene

Kind = Literal["none", "gaussian_belief", "recurrent_belief"]


def untrained_parts(
    scene: ClawScene,
    *,
    kind: Kind = "gaussian_belief",
    hidden_sizes: Sequence[int] = (300, 300, 300),
    encoder_hidden_sizes: Sequence[int] = (200, 200, 200),
    latent_size: int = 5,
    hidden_size: int = 64,
    action_scale: float = 300.0,
    seed: int = 0,
) -> ExportParts:
    """What a learner that has learnt nothing would export; the defaults have PEARL's sizes.

    Learners begin with tiny actions, which would show nothing: `action_scale` makes them larger.
    """
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    size, action_size = scene.observation_size, scene.action_size
    normalizer = _normalizer(size, rng)
    layout = ContextLayout(
        observation_size=size,
        action_size=action_size,
        uses_next_observation=True,
        marks_episode_end=kind == "recurrent_belief",
    )
    condition_size = {"none": 0, "gaussian_belief": latent_size, "recurrent_belief": hidden_size}
    policy = TanhGaussianPolicy(
        size + condition_size[kind], hidden_sizes, action_size, generator=generator
    )
    with torch.no_grad():
        *_, weight, _bias = policy.network.layers.parameters()
        weight.mul_(action_scale)
    modules: dict[str, nn.Module] = {"policy": DeployedPolicy(normalizer, policy)}
    if kind == "gaussian_belief":
        encoder = ContextEncoder(
            layout.size, encoder_hidden_sizes, latent_size, generator=generator
        )
        modules["encoder"] = DeployedEncoder(normalizer, layout, encoder)
    elif kind == "recurrent_belief":
        cell = RecurrentBelief(layout.size, hidden_size, generator=generator)
        modules["recurrent"] = DeployedCell(normalizer, layout, cell)
    return ExportParts(
        adaptation=kind,
        modules=modules,
        normalizer=normalizer,
        observation_size=size,
        action_size=action_size,
        context_layout=None if kind == "none" else layout,
        latent_size=latent_size if kind == "gaussian_belief" else 0,
        hidden_size=hidden_size if kind == "recurrent_belief" else 0,
        num_exploration_episodes=1 if kind == "gaussian_belief" else 0,
    )


def _normalizer(size: int, rng: np.random.Generator) -> FrozenNormalizer:
    return FrozenNormalizer(
        mean=rng.normal(0.0, 0.1, size).astype(np.float32),
        std=rng.uniform(0.5, 2.0, size).astype(np.float32),
        clip=10.0,
    )


def untrained_draft(
    parts: ExportParts,
    family_name: str = "valve_turn",
    *,
    num_tasks: int = 2,
    scene: ClawScene | None = None,
) -> Draft:
    """A draft of these parts on a family of the claw; `scene` replaces the family's."""
    family = FAMILIES[family_name]
    assert isinstance(family, ClawFamily)
    task_set = draw_task_set(family, seed=0, num_train=1, num_test=num_tasks)
    provenance = Provenance(
        recipe="untrained",
        algorithm="untrained",
        family=family_name,
        seed=0,
        git_commit="unknown",
        task_set_sha256=task_set.sha256,
        environment_steps=0,
        packages={},
    )
    scene = family.scene if scene is None else scene
    return make_draft(parts, scene, task_set, Origin(name=family_name, provenance=provenance))


def write_untrained_bundle(folder: Path, parts: ExportParts, family: str = "valve_turn") -> str:
    """Write such a bundle; its digest."""
    draft = untrained_draft(parts, family)
    return write_bundle(folder, draft.manifest, draft.files)
