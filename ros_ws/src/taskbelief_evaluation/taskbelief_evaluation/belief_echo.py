"""The belief in words, as it forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from taskbelief_interfaces.msg import TaskBelief

from taskbelief_policy.interfaces import BELIEF


class BeliefEcho:
    """Says every belief that a policy publishes."""

    def __init__(self, node: Node, say: Callable[[str], None]) -> None:
        node.create_subscription(
            BELIEF.type, BELIEF.name, lambda message: say(described(message)), BELIEF.requested
        )


def described(message: TaskBelief) -> str:
    """One line: mean ± standard deviation, evidence, nats from the prior."""
    spread = np.sqrt(message.variance)
    if len(spread) == len(message.mean) and len(spread):
        values = " ".join(f"{m:+.2f}±{s:.2f}" for m, s in zip(message.mean, spread))
    elif message.digest:
        values = f"parameters {message.digest}"
    else:
        values = f"|hidden state| {np.linalg.norm(message.mean):.2f}"
    where = f"trial {message.trial} episode {message.episode} tick {message.tick:3d}"
    figures = zip(message.figure_names, message.figures)
    learnt = "".join(f", {name.replace('_', ' ')} {value:.3g}" for name, value in figures if value)
    frozen = ", frozen" if message.is_frozen else ""
    return (
        f"belief {where}: {values}  {message.kl_from_prior:6.2f} nats from the prior, "
        f"{message.num_transitions} transitions{learnt}{frozen}"
    )
