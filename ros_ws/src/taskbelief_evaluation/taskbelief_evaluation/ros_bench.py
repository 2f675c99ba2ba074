"""Puts one task after the other on the bench of a running graph, torque off in between.

Where the hand is emulated, every task is another emulator at the same place: the driver lets go of
one and configures itself anew for the next.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sim2real.bringup.graph import EmulatorSpec
from sim2real.bringup.processes import Died, EmulatedHand
from sim2real.evaluation.session import BenchTask, EpisodeFault
from sim2real.runtime.bundle import Bundle
from taskbelief_evaluation.calls import Caller, CallFailed
from taskbelief_evaluation.ros_session import RosSession


class RosBench:
    """`session` is an `OpenSession`. Called from the main thread, on whose life emulators hang."""

    def __init__(
        self,
        caller: Caller,
        nodes: Sequence[str],
        bundle: Bundle,
        make_session: Callable[[], RosSession],
        explain: Callable[[], str],
        *,
        emulator: EmulatorSpec | None = None,
        log: Path | None = None,
    ) -> None:
        """`nodes` are the lifecycle nodes, whatever has torque first; `log` is the emulators'.

        `explain` gives the latest reason that one of them has published.
        """
        self._caller, self._nodes, self._bundle = caller, nodes, bundle
        self._make_session, self._explain = make_session, explain
        self._emulator, self._log = emulator, log

    @contextlib.contextmanager
    def session(self, task: BenchTask, bundle: Bundle) -> Iterator[RosSession]:
        """Raises `EpisodeFault` when the bench cannot be made ready or left in order."""
        if bundle.digest != self._bundle.digest:
            found, loaded = bundle.digest, self._bundle.digest
            raise EpisodeFault("other_bundle", f"the graph has {loaded} loaded, not {found}")
        with contextlib.ExitStack() as way_out:
            hand: EmulatedHand | None = None
            try:
                if self._emulator is not None:
                    emulator = replace(self._emulator, task=task.reference)
                    hand = EmulatedHand(emulator, environment=os.environ, log=self._log)
                    way_out.enter_context(hand)
                    hand.await_port(self._caller.check)
                way_out.callback(self._leave)
                self._make_ready()
            except (CallFailed, Died) as failure:
                raise EpisodeFault("not_ready", self._why(failure, hand)) from None
            yield self._make_session()

    def _why(self, failure: Exception, hand: EmulatedHand | None) -> str:
        """A node's refusal is a symptom where the hand is gone, and it has said why."""
        if isinstance(failure, Died):
            return str(failure)
        if hand is not None and hand.child.exit_code is not None:
            return f"{failure}: {hand.child.ending}"
        reason = self._explain()
        return f"{failure}: {reason}" if reason else str(failure)

    def _make_ready(self) -> None:
        """Everything configured before the first, the driver, gets torque."""
        for node in self._nodes:
            if self._caller.state(node) == "unconfigured":
                self._caller.change_state(node, "configure")
        for node in self._nodes:
            self._caller.change_state(node, "activate")

    def _leave(self) -> None:
        """Torque off, and the port free. A bundle stays loaded where it has a node of its own."""
        try:
            for node in self._nodes:
                if self._caller.state(node) == "active":
                    self._caller.change_state(node, "deactivate")
            if self._caller.state(self._nodes[0]) == "inactive":
                self._caller.change_state(self._nodes[0], "cleanup")
        except CallFailed as failure:
            raise EpisodeFault("not_left", str(failure)) from None
