"""Bundles with random weights: to measure, test and rehearse before anything has been trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sim2real.contract.camera import CameraSpec
from sim2real.contract.context import ContextLayout
from sim2real.contract.manifest import Provenance
from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.contract.robot_spec import RobotSpec
from sim2real.runtime.bundle import write_bundle
from sim2real.runtime.kinds.kind import Role, Settings, Signature, Sizes
from sim2real.runtime.kinds.registry import REHEARSED, kind_of
from sim2real.runtime.noise import ACTION_NOISE, CELL_NOISE, LATENT_NOISE
from training.algorithms.learner import Deployed
from training.export.make_bundle import Draft, Origin, make_draft
from training.families.registry import claw_family
from training.parts.decoders import PromisedValue, RewardDecoder
from training.parts.deployed import (
    DeployedCell,
    DeployedCritic,
    DeployedDecoder,
    DeployedEncoder,
    DeployedPolicy,
)
from training.parts.deployed_gradient import (
    DeployedLatentPolicy,
    DeployedParameterPolicy,
    DeployedStep,
)
from training.parts.encoders import ContextEncoder, RecurrentBelief
from training.parts.networks import TwinCritic
from training.parts.policies import DiagonalGaussianPolicy, TanhGaussianPolicy
from training.tasks.task_set import draw_task_set
from training.worlds.claw import ClawScene

_LOG_STD = -2.0
"""of actions where a policy explores by noise: so little that no hand is stopped for it"""
_STEP_SIZE = 0.001
"""of a policy that adapts by steps: far enough to show, near enough to be taken whole"""


def untrained_parts(
    scene: ClawScene,
    *,
    settings: Settings = REHEARSED,
    hidden_sizes: Sequence[int] = (300, 300, 300),
    encoder_hidden_sizes: Sequence[int] = (200, 200, 200),
    action_scale: float = 300.0,
    num_features: int = 8,
    seed: int = 0,
) -> Deployed:
    """What a learner that has learnt nothing would deploy; the defaults have PEARL's sizes.

    Learners begin with tiny actions, which would show nothing: `action_scale` makes them larger.
    Where the scene has a camera, its eye gives `num_features`.
    """
    kind, rng = kind_of(settings), np.random.default_rng(seed)
    size, action_size = scene.skill.layout.size, scene.action_size
    size += 0 if scene.camera is None else num_features
    layout = ContextLayout(
        observation_size=size,
        action_size=action_size,
        uses_next_observation=True,
        marks_episode_end="recurrent" in kind.signatures(settings, Sizes(size, action_size, 0)),
    )
    normalizer = _normalizer(size, rng)
    step = getattr(settings, "parameter_step", None)  # such settings know the policy's layers
    if step is not None:
        hidden_sizes = step.hidden_sizes
    make = _Networks(normalizer, layout, hidden_sizes, encoder_hidden_sizes, action_scale, seed)
    wanted = kind.signatures(settings, Sizes(size, action_size, layout.size))
    modules: dict[str, nn.Module]
    modules = {role: make.role(role, signature) for role, signature in wanted.items()}
    if scene.camera is not None:
        modules["eye"] = UntrainedEye(scene.camera, num_features, seed)
    return Deployed(
        settings=settings,
        modules=modules,
        normalizer=normalizer,
        observation_size=size,
        action_size=action_size,
        context_layout=layout if kind.needs_context else None,
    )


class UntrainedEye(nn.Module):
    """Frames (B, H, W, C) uint8 to features (B, F) in (-1, 1), by random filters."""

    def __init__(self, camera: CameraSpec, num_features: int, seed: int) -> None:
        super().__init__()
        height, width, channels = camera.shape
        generator = torch.Generator().manual_seed(seed)
        self.filters = nn.Conv2d(channels, 4, kernel_size=3, stride=2)
        self.out = nn.Linear(4 * ((height - 3) // 2 + 1) * ((width - 3) // 2 + 1), num_features)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.2, 0.2, generator=generator)

    def forward(self, frame: Tensor) -> Tensor:
        light = frame.float().permute(0, 3, 1, 2) / 255.0 - 0.5
        return torch.tanh(self.out(torch.relu(self.filters(light)).flatten(1)))


class _Networks:
    """Random networks with the inputs and outputs of a signature, role by role."""

    def __init__(
        self,
        normalizer: FrozenNormalizer,
        layout: ContextLayout,
        hidden_sizes: Sequence[int],
        encoder_hidden_sizes: Sequence[int],
        action_scale: float,
        seed: int,
    ) -> None:
        self._normalizer, self._layout, self._scale = normalizer, layout, action_scale
        self._hidden_sizes, self._encoder_sizes = hidden_sizes, encoder_hidden_sizes
        self._seed, self._generator = seed, torch.Generator().manual_seed(seed)

    def role(self, role: Role, signature: Signature) -> nn.Module:
        """The module that is exported as this role."""
        inputs = {tensor.name: tensor.shape[-1] for tensor in signature.inputs}
        outputs = {tensor.name: tensor.shape[-1] for tensor in signature.outputs}
        make = {
            "policy": self._policy,
            "encoder": self._encoder,
            "recurrent": self._cell,
            "adapt": self._step,
            "decoder": self._decoder,
            "critic": self._critic,
        }[role]
        return make(inputs, outputs)

    def _policy(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> nn.Module:
        if "parameters" in inputs:
            policy = self._plain_policy(inputs["observation"], outputs["action"])
            return DeployedParameterPolicy(self._normalizer, policy)
        if LATENT_NOISE in inputs:
            seen = inputs["observation"] + inputs[LATENT_NOISE]
            # Its latents wander far; at full size its actions press fingers together until the
            # hand is stopped.
            policy = self._plain_policy(seen, outputs["action"], scale=0.33 * self._scale)
            return DeployedLatentPolicy(self._normalizer, policy)
        return self._tanh_policy(inputs, outputs)

    def _step(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> nn.Module:
        policy = self._plain_policy(inputs["observation"], inputs["action"])
        return DeployedStep(self._normalizer, policy, step_size=_STEP_SIZE, adapts_log_std=True)

    def _plain_policy(
        self, seen: int, action_size: int, *, scale: float | None = None
    ) -> DiagonalGaussianPolicy:
        """The same one whenever it is asked for: `adapt` steps from what the policy is."""
        policy = DiagonalGaussianPolicy(
            seen,
            self._hidden_sizes,
            action_size,
            initial_log_std=_LOG_STD,
            generator=torch.Generator().manual_seed(self._seed),
            activation="tanh",
            bounds_mean=False,
            min_log_std=2 * _LOG_STD,
        )
        with torch.no_grad():
            list(policy.network.parameters())[-2].mul_(self._scale if scale is None else scale)
        return policy

    def _tanh_policy(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> nn.Module:
        seen = sum(size for name, size in inputs.items() if name != ACTION_NOISE)
        policy = TanhGaussianPolicy(
            seen, self._hidden_sizes, outputs["action"], generator=self._generator
        )
        with torch.no_grad():
            *_, weight, bias = policy.network.layers.parameters()
            weight[: policy.action_size].mul_(self._scale)  # the means; what follows is log std
            bias[policy.action_size :] = _LOG_STD
        return DeployedPolicy(self._normalizer, policy, takes_noise=ACTION_NOISE in inputs)

    def _encoder(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> nn.Module:
        encoder = ContextEncoder(
            inputs["context_row"], self._encoder_sizes, outputs["mean"], generator=self._generator
        )
        return DeployedEncoder(self._normalizer, self._layout, encoder)

    def _decoder(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> nn.Module:
        decoder = RewardDecoder(
            self._layout,
            inputs["latents"] // outputs["misfit"],
            self._encoder_sizes,
            reward_scale=1.0,
            generator=self._generator,
        )
        return DeployedDecoder(self._normalizer, self._layout, decoder)

    def _critic(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> nn.Module:
        size, seen = inputs["latents"] // outputs["value"], inputs["observation"]
        action_size = self._layout.action_size
        policy = TanhGaussianPolicy(
            seen + size, self._hidden_sizes, action_size, generator=self._generator
        )
        critic = TwinCritic(
            seen + action_size + size, self._hidden_sizes, generator=self._generator
        )
        value = PromisedValue(size, policy, critic, None)
        return DeployedCritic(self._normalizer, self._layout, value)

    def _cell(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> nn.Module:
        hidden, noise = inputs["hidden"], inputs.get(CELL_NOISE, 0)
        cell = RecurrentBelief(inputs["context_row"] + noise, hidden, generator=self._generator)
        read_out = None
        if "mean" in outputs:
            read_out = nn.Linear(hidden, 2 * outputs["mean"])
            with torch.no_grad():
                for parameter in read_out.parameters():
                    parameter.uniform_(-1.0, 1.0, generator=self._generator)
        return DeployedCell(self._normalizer, self._layout, cell, read_out)


def _normalizer(size: int, rng: np.random.Generator) -> FrozenNormalizer:
    return FrozenNormalizer(
        mean=rng.normal(0.0, 0.1, size).astype(np.float32),
        std=rng.uniform(0.5, 2.0, size).astype(np.float32),
        clip=10.0,
    )


def untrained_draft(
    deployed: Deployed,
    family_name: str = "valve_turn",
    *,
    num_tasks: int = 2,
    scene: ClawScene | None = None,
    spec: RobotSpec | None = None,
) -> Draft:
    """A draft of these parts on a family of a hand, by default the claw.

    `scene` replaces the family's.
    """
    family = claw_family(family_name, "untrained", spec)
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
    return make_draft(deployed, scene, task_set, Origin(name=family_name, provenance=provenance))


def write_untrained_bundle(
    folder: Path, deployed: Deployed, family: str = "valve_turn", spec: RobotSpec | None = None
) -> str:
    """Write such a bundle; its digest."""
    draft = untrained_draft(deployed, family, spec=spec)
    return write_bundle(folder, draft.manifest, draft.files)
