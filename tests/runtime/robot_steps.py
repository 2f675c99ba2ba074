"""Learners that adapt by gradients, as a robot runs them, over episodes that are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sim2real.contract.manifest import GraphRecord
from sim2real.runtime.kinds.gradient import GradientAdaptation, GradientSettings
from sim2real.runtime.kinds.kind import Sizes
from sim2real.runtime.kinds.registry import kind_of
from sim2real.runtime.noise import TrialNoise
from sim2real.runtime.onnx_model import OnnxModel
from tests.algorithms.conftest import build
from training.algorithms.registry import ALGORITHMS
from training.export.to_onnx import to_onnx
from training.families.registry import FAMILIES
from training.parts.trials import Trials

POINTS = FAMILIES["point_robot"]
NUM_STEPS = 20
"""of an episode of a point robot"""


def made(algorithm: str, **changes: Any) -> Any:
    """A learner whose weights are no longer small."""
    settings = {"num_exploration_episodes": 4, "num_trial_episodes": 13, **changes}
    learner = build(ALGORITHMS[algorithm], POINTS, hidden_sizes=(64, 64), **settings)
    with torch.no_grad():
        [part for part in learner.policy.parameters() if part.dim() == 2][-1].mul_(30.0)
    return learner


def graphs_of(deployed: Any) -> dict[str, OnnxModel]:
    """Its graphs, exported and loaded."""
    settings = deployed.settings
    sizes = Sizes(
        observation=deployed.observation_size,
        action=deployed.action_size,
        context=deployed.context_layout.size,
    )
    models = {}
    for role, signature in kind_of(settings).signatures(settings, sizes).items():
        record = GraphRecord(
            role=role,
            file=f"{role}.onnx",
            inputs=signature.inputs,
            outputs=signature.outputs,
            max_parity_error=0.0,
        )
        content = to_onnx(deployed.modules[role], signature)
        models[role] = OnnxModel(content, record, role)
    return models


class Robot:
    """The adaptation over its graphs, and a hand that does what a test says."""

    def __init__(
        self, settings: GradientSettings, models: dict[str, OnnxModel], seed: int = 0
    ) -> None:
        self.models = models
        self.adaptation = GradientAdaptation(settings, models)
        self.adaptation.reset(np.random.default_rng(seed), TrialNoise(seed))
        self.episode = 0

    @property
    def parameters(self) -> np.ndarray:
        return self.adaptation._now.parameters

    def run(
        self,
        observation: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        *,
        missing: tuple[int, ...] = (),
    ) -> np.ndarray:
        """An episode of (T, ·) columns, and what follows it; (D,) what its latent was.

        Steps that are `missing` were no evidence.
        """
        policy, adaptation = self.models["policy"], self.adaptation
        adaptation.begin_episode(self.episode)
        for tick in range(len(reward)):
            adaptation.fill(policy.inputs, self.episode, tick)
            policy.outputs["action"][0] = action[tick]
            if tick not in missing:
                applied = np.clip(action[tick], -1.0, 1.0)
                adaptation.observe(
                    np.concatenate([observation[tick], applied, reward[tick : tick + 1]])
                )
        drawn = adaptation._step.drawn()
        adaptation.end_episode()
        self.episode += 1
        return drawn


def episodes(rng: np.random.Generator, number: int) -> list[dict[str, np.ndarray]]:
    """Made-up episodes, whose rewards have to do with what was done."""
    found = []
    for _ in range(number):
        observation = np.cumsum(rng.normal(0.0, 0.3, (NUM_STEPS, 2)), 0).astype(np.float32)
        action = rng.normal(0.0, 1.0, (NUM_STEPS, 2)).astype(np.float32)
        reward = -np.linalg.norm(observation + 0.2 * action - rng.normal(0, 0.3, 2), axis=1)
        found.append(
            {"observation": observation, "action": action, "reward": reward.astype(np.float32)}
        )
    return found


def as_trials(found: list[dict[str, np.ndarray]]) -> Trials:
    """The same as training has them, (T, M)."""

    def column(name: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([episode[name] for episode in found], 1))

    reward = column("reward")
    ones, zeros = torch.ones_like(reward), torch.zeros_like(reward)
    first, last = zeros.clone(), zeros.clone()
    first[0] = last[-1] = 1.0
    return Trials(
        observation=column("observation"),
        next_observation=column("observation"),
        context=torch.zeros(*reward.shape, 0),
        action=column("action"),
        log_density=zeros,
        reward=reward,
        sparse_reward=reward,
        is_first=first,
        is_last=last,
        terminated=zeros,
        is_valid=ones,
        episode=torch.zeros_like(reward, dtype=torch.int64),
    )
