"""The belief in words, as it forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from taskbelief_interfaces.msg import BundleInfo, EpisodeStart, TaskBelief

from sim2real.contract.quantity import Parameters, Quantity, said_of_all
from sim2real.runtime.kinds.registry import quantities_told
from taskbelief_policy.interfaces import BELIEF, BUNDLE_INFO, EPISODE_START

TruthOf = Callable[[str], Parameters]
"""what is known of the task of that name; empty where nobody knows it"""


class BeliefEcho:
    """Says every belief that a policy publishes; quantities by name, with the truth beside them.

    Their names and units are in the manifest of the bundle that is loaded.
    """

    def __init__(
        self, node: Node, say: Callable[[str], None], truth_of: TruthOf = lambda _task: {}
    ) -> None:
        self._say, self._truth_of = say, truth_of
        self._quantities: tuple[Quantity, ...] = ()
        self._task = ""
        for topic, take in (
            (BUNDLE_INFO, self._bundle_loaded),
            (EPISODE_START, self._episode_begins),
            (BELIEF, self._belief_formed),
        ):
            node.create_subscription(topic.type, topic.name, take, topic.requested)

    def _bundle_loaded(self, info: BundleInfo) -> None:
        self._quantities = quantities_told(info.manifest_json)

    def _episode_begins(self, start: EpisodeStart) -> None:
        self._task = start.task

    def _belief_formed(self, message: TaskBelief) -> None:
        self._say(described(message, self._quantities, self._truth_of(self._task)))


def described(
    message: TaskBelief, quantities: tuple[Quantity, ...] = (), truth: Parameters | None = None
) -> str:
    """One line: what is believed, evidence, nats from the prior.

    Of quantities name, mean ± standard deviation, unit and, where it is known, the truth.
    """
    spread = np.sqrt(message.variance)
    if len(spread) == len(message.mean) == len(quantities) and quantities:
        values = "; ".join(said_of_all(quantities, message.mean, spread, truth))
    elif len(spread) == len(message.mean) and len(spread):
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
