"""What a path holds that is no run of ours, and how it is played."""

from __future__ import annotations

from pathlib import Path

from training.peers.onnx_policy import is_onnx_policy, onnx_policy
from training.peers.player import Player, Sizes
from training.peers.reference_pearl import is_reference_pearl, reference_pearl
from training.tasks.task import TaskFamily

_KINDS = ((is_onnx_policy, onnx_policy), (is_reference_pearl, reference_pearl))


def is_peer(path: Path) -> bool:
    """Whether it is somebody else's policy; a run of ours has a config.json."""
    return not (path / "config.json").exists() and any(holds(path) for holds, _ in _KINDS)


def peer_at(path: Path, family: TaskFamily) -> Player:
    """The player. Raises `BadInput` for what does not fit the family's worlds."""
    world = family.make_world(1)
    sizes = Sizes(observation=world.observation_size, action=world.action_size)
    world.close()
    return next(read for holds, read in _KINDS if holds(path))(path, sizes)
