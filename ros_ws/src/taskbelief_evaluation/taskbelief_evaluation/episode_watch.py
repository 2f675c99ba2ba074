"""What a hand's topics say of the episode that runs: its end, its tally, its belief."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from sim2real.evaluation.session import Tally
from sim2real.evaluation.tally import TallyKeeper
from sim2real.runtime.kinds.kind import BeliefSummary
from taskbelief_evaluation.tap import decoded

REASON_S = 0.5
"""how long a reason may be under way"""
Show = Callable[..., None]
"""as `LiveView.step_taken`"""


class EpisodeWatch:
    """Messages are told to `take` by the executor's thread; another one waits for `changed`."""

    def __init__(self, show: Show = lambda **_: None) -> None:
        self.changed = threading.Condition()
        self.result: Any = None
        """TrialResult of the episode; None while it runs"""
        self.heard_s: dict[str, float] = {}
        """when each topic was last heard, on the monotonic clock"""
        self._event: tuple[float, str] = (0.0, "")
        """when a reason was last given, on the monotonic clock, and which"""
        self.bundle_digest = ""
        """of the policy that is loaded"""
        self._show = show
        self._keeper = TallyKeeper()
        self._start: Any = None
        self._last_step: Any = None
        self._belief: Any = None
        self._rewards: list[float] = []
        self._successes: list[bool] = []

    @property
    def is_complete(self) -> bool:
        """Whether the result and all that leads to it have come."""
        if self.result is None or self.result.outcome != "completed":
            return self.result is not None
        step, belief = self._last_step, self._belief
        return step is not None and belief is not None and belief.tick == step.tick

    def latest_reason(self) -> str:
        """What a node has published of late; empty: nothing."""
        time.sleep(REASON_S)
        with self.changed:
            at_s, reason = self._event
        return reason if time.monotonic() - at_s < 10 * REASON_S else ""

    def trial_begins(self) -> None:
        with self.changed:
            self._keeper.trial_begins()
            self._belief = None

    def expect_episode(self) -> None:
        """Forget the one before."""
        with self.changed:
            self.result = self._start = self._last_step = None
            self._rewards, self._successes = [], []

    def take_tally(self) -> Tally:
        """Of the episode that ended last, as whoever reads the recording counts it."""
        with self.changed:
            return self._keeper.take()

    def so_far(self) -> dict[str, Any]:
        """The fields of an outcome, of an episode that will have no result."""
        with self.changed:
            successes, belief = self._successes, self._belief
            return {
                "total_reward": sum(self._rewards),
                "is_success": bool(successes) and successes[-1],
                "success_fraction": sum(successes) / len(successes) if successes else 0.0,
                "num_steps": len(self._rewards),
                "num_transitions": 0 if belief is None else belief.num_transitions,
                "kl_from_prior": 0.0 if belief is None else belief.kl_from_prior,
            }

    def take(self, name: str, message: bytes) -> None:
        """A message of any topic, in the order in which it is recorded."""
        self.heard_s[name] = time.monotonic()
        handle = self._handlers.get(name)
        if handle is not None:
            value = decoded(name, message)
            with self.changed:
                handle(self, value)
                self.changed.notify_all()

    def _episode_start(self, start: Any) -> None:
        self._start = start
        self._rewards, self._successes = [], []
        self._keeper.episode_begins()

    def _trial_result(self, result: Any) -> None:
        self.result = result
        self._keeper.episode_ends()

    def _policy_step(self, step: Any) -> None:
        self._keeper.step(step, is_evidence=not step.rejection)
        if step.tick > 0:
            self._rewards.append(step.reward)
            self._successes.append(step.is_success)
        if step.is_last:
            self._last_step = step

    def _belief_formed(self, belief: Any) -> None:
        self._belief = belief
        counts = zip(belief.rejection_causes, belief.rejection_counts, strict=True)
        self._keeper.rejections(dict(counts))
        if self._start is not None:
            self._show(
                condition=self._start.condition,
                episode=belief.episode,
                reward_so_far=sum(self._rewards),
                num_transitions=belief.num_transitions,
                kl_from_prior=belief.kl_from_prior,
                belief=_summary(belief),
            )

    def _control_tick(self, tick: Any) -> None:
        self._keeper.tick(tick)

    def _safety_event(self, event: Any) -> None:
        self._keeper.event(event.cause)
        if event.detail:
            self._event = (time.monotonic(), event.detail)

    def _bundle_info(self, info: Any) -> None:
        self.bundle_digest = info.digest

    _handlers: ClassVar[dict[str, Callable[..., None]]] = {
        "episode_start": _episode_start,
        "trial_result": _trial_result,
        "policy_step": _policy_step,
        "belief": _belief_formed,
        "control_tick": _control_tick,
        "safety_event": _safety_event,
        "bundle_info": _bundle_info,
    }


def _summary(belief: Any) -> BeliefSummary | None:
    if not len(belief.variance):
        return None
    return BeliefSummary(np.asarray(belief.mean), np.sqrt(belief.variance))
