"""Checkpoints of the PEARL authors' implementation (github.com/katerakelly/oyster), by its layout.

    variant.json          latent_size, and algo_params
    policy.pth            weights by name: fc0, fc1, …, last_fc, last_fc_log_std
    context_encoder.pth   the same, without last_fc_log_std

All layers are linear with ReLU between them. The encoder's output is the means of a factor, and
what a softplus makes its variances; the likeliest action is the tanh of the policy's last_fc. None
of its code is here, and none is run: weights are read as tensors.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import read_json
from training.parts.actor import Actor, Drawn
from training.peers.held_latent import Encoder, HeldLatent
from training.peers.player import Player, Sizes
from training.tasks.task import Task
from training.worlds.vector_world import Float

POLICY, ENCODER, VARIANT = "policy.pth", "context_encoder.pth", "variant.json"
PICKLED = "params.pkl"
"""of rlkit: whole objects, whose reading runs whatever code they name"""
_UNUSED = "last_fc_log_std"
"""how the policy explores"""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What of variant.json matters here."""

    latent_size: int
    uses_next_observation: bool
    uses_sparse_reward: bool
    num_exploration_episodes: int


def is_reference_pearl(folder: Path) -> bool:
    """Whether a folder looks like one; what is wrong with it is said when it is read."""
    names = (POLICY, ENCODER, VARIANT, PICKLED)
    return folder.is_dir() and any((folder / name).exists() for name in names)


def reference_pearl(folder: Path, sizes: Sizes) -> Player:
    """The player of such a folder. Raises `BadInput` for what is missing or does not fit."""
    if (folder / PICKLED).exists() and not (folder / POLICY).exists():
        found, expected = f"{PICKLED}, which runs code when it is read", f"{POLICY} and {ENCODER}"
        raise BadInput(str(folder), "checkpoint", found=found, expected=expected)
    variant = _variant(folder / VARIANT)
    layout = ContextLayout(
        observation_size=sizes.observation,
        action_size=sizes.action,
        uses_next_observation=variant.uses_next_observation,
    )
    latent_size = variant.latent_size
    encoder = _network(folder / ENCODER, layout.size, 2 * latent_size)
    policy = _network(folder / POLICY, sizes.observation + latent_size, sizes.action)
    encodes = Encoder(
        encode=partial(_factor, encoder),
        layout=layout,
        latent_size=latent_size,
        num_exploration_episodes=variant.num_exploration_episodes,
        uses_sparse_reward=variant.uses_sparse_reward,
    )

    def make_actor(tasks: Sequence[Task]) -> Actor:
        return ReferenceActor(encodes, policy, len(tasks))

    episodes = variant.num_exploration_episodes + 1
    return Player(make_actor=make_actor, adapts=True, num_episodes=episodes)


@torch.no_grad()
def _factor(encoder: nn.Module, rows: Float) -> tuple[Float, Float]:
    mean, raw = encoder(torch.from_numpy(rows)).chunk(2, dim=-1)
    return mean.numpy(), F.softplus(raw).numpy()


class ReferenceActor(HeldLatent):
    """Its policy on the latents of W worlds."""

    def __init__(self, encoder: Encoder, policy: nn.Module, num_worlds: int) -> None:
        super().__init__(encoder, num_worlds)
        self._policy = policy

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        rows = np.concatenate([observation, self.latent], -1, dtype=np.float32)
        return Drawn(torch.tanh(self._policy(torch.from_numpy(rows))).numpy())


# ---- files ---------------------------------------------------------------------------------------


def _variant(path: Path) -> Variant:
    where, document = str(path), read_json(path, "settings of a PEARL run, as its launcher writes")
    algorithm = document.get("algo_params")
    if not isinstance(algorithm, dict):
        raise BadInput(where, "algo_params", found=algorithm, expected="a mapping")
    for name, wanted in (("use_information_bottleneck", True), ("recurrent", False)):
        value = _whole(algorithm, name, where, least=0, at="algo_params.")
        if bool(value) != wanted:
            expected = f"{str(wanted).lower()}: a belief that is a product of Gaussians"
            raise BadInput(where, f"algo_params.{name}", found=bool(value), expected=expected)
    of_algorithm = partial(_whole, algorithm, where=where, at="algo_params.")
    return Variant(
        latent_size=_whole(document, "latent_size", where, least=1),
        uses_next_observation=bool(of_algorithm("use_next_obs_in_context", least=0)),
        uses_sparse_reward=bool(of_algorithm("sparse_rewards", least=0)),
        num_exploration_episodes=of_algorithm("num_exp_traj_eval", least=1),
    )


def _whole(document: Mapping[str, Any], name: str, where: str, *, least: int, at: str = "") -> int:
    """A number, or true or false, for which that implementation takes 1 and 0 as well."""
    value = document.get(name)
    if isinstance(value, int) and value >= least and not (least and isinstance(value, bool)):
        return int(value)
    expected = f"a whole number, at least {least}" if least else "true or false"
    raise BadInput(where, f"{at}{name}", found=value, expected=expected)


def _network(path: Path, input_size: int, output_size: int) -> nn.Module:
    """Linear layers with ReLU between them, from weights by name. Raises `BadInput`."""
    weights = _weights(path)
    hidden = [f"fc{index}" for index in range(len(weights)) if f"fc{index}.weight" in weights]
    layers: list[nn.Module] = []
    size = input_size
    for name in (*hidden, "last_fc"):
        width = output_size if name == "last_fc" else _width(weights, name, path)
        layer = nn.Linear(size, width)
        with torch.no_grad():
            for part, parameter in layer.named_parameters():
                parameter.copy_(_tensor(weights, f"{name}.{part}", tuple(parameter.shape), path))
        layers += [layer, nn.ReLU()]
        size = width
    rest = [name for name in weights if not name.startswith(_UNUSED)]
    if rest:
        expected = "fc0, fc1, …, last_fc"
        raise BadInput(str(path), "weights", found=", ".join(rest), expected=expected)
    return nn.Sequential(*layers[:-1])


def _width(weights: Mapping[str, Tensor], name: str, path: Path) -> int:
    weight = weights[f"{name}.weight"]
    if weight.ndim != 2:
        found = tuple(weight.shape)
        raise BadInput(str(path), f"{name}.weight", found=found, expected="a matrix")
    return len(weight)


def _tensor(weights: dict[str, Tensor], name: str, shape: tuple[int, ...], path: Path) -> Tensor:
    """One of them, which is taken out."""
    value = weights.pop(name, None)
    found = "nothing" if value is None else tuple(value.shape)
    if value is None or found != shape:
        raise BadInput(str(path), name, found=found, expected=str(shape))
    if not torch.isfinite(value).all():
        raise BadInput(str(path), name, found="a number that is not finite", expected="weights")
    return value


def _weights(path: Path) -> dict[str, Tensor]:
    expected = "weights by name, as torch saves them"
    if not path.exists():
        raise BadInput(str(path), "file", found="nothing", expected=expected)
    try:
        weights = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        found = " ".join(str(error).split())[:80]
        raise BadInput(str(path), "file", found=found, expected=expected) from None
    if not isinstance(weights, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) and value.is_floating_point()
        for name, value in weights.items()
    ):
        raise BadInput(str(path), "file", found="something else", expected=expected)
    return dict(weights)
