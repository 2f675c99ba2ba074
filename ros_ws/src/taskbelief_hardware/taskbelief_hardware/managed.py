"""A lifecycle node made of parts, whose transitions say why they failed.

Parts come up in order and go down the other way round. A transition upwards that does not succeed
leaves everything as it was. One downwards that does not succeed is an error: every part is cleaned
up, which switches torque off, and the node is unconfigured again.
"""

from __future__ import annotations

import gc
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from sim2real.contract.errors import BadInput, WorkFailed
from sim2real.hardware.robot import RobotFault
from sim2real.recording.requests import Rules, require
from taskbelief_hardware.declarations import Service

EXPECTED = (BadInput, RobotFault)
"""what a transition upwards may fail with; anything else is an error of ours"""
REFUSALS = (ValueError, WorkFailed)
"""what a service's work may fail with, `BadInput` being one; anything else is an error of ours"""


SAY_AGAIN_S = 0.2
"""between two refusals that are said: whoever asks hears of each"""


class Part(Protocol):
    """What a node is made of. All methods are called on the executor's thread, `halt` on any."""

    def configure(self) -> None:
        """Get ready. Raises `BadInput` or `RobotFault`; nothing is held on to then."""

    def activate(self) -> None:
        """Begin to act. Raises `RobotFault`; everything is as before then."""

    def deactivate(self) -> None:
        """Stop acting. Whatever it raises is an error of the node."""

    def cleanup(self) -> None:
        """Let go of everything, torque first. Never raises; may be called at any time."""

    def halt(self) -> None:
        """The process is about to end: torque off now. Never raises."""

    def latch(self, cause: str, reason: str) -> None:
        """Keep and publish why the node left a state or could not enter one.

        `cause` is one word, for counters.
        """


class ManagedNode(LifecycleNode):  # type: ignore[misc]
    """See above. `parts` is filled by whoever makes one, before it is spun."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.parts: Sequence[Part] = ()
        self.mishaps: Counter[str] = Counter()
        """what was asked of this node and not done: `refused`, and `failed` by an error of ours"""
        self._is_halted = self._is_ending = False
        for service in self.services:  # those that rclpy gives every node
            service.callback = self._answered(service.srv_name, service.srv_type, service.callback)

    # ---- transitions ---------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        outcome = self._upwards("configure", lambda part: part.configure(), lambda p: p.cleanup())
        # What exists by now stays. The collector would look at it again and again, 30 ms each time,
        # in which no thread does anything else.
        gc.collect()
        gc.freeze()
        return outcome

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        outcome = self._upwards("activate", lambda part: part.activate(), lambda p: p.deactivate())
        return self._with_publishers(outcome, lambda: super(ManagedNode, self).on_activate(state))

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        outcome = self._downwards("deactivate", lambda part: part.deactivate())
        return self._with_publishers(outcome, lambda: super(ManagedNode, self).on_deactivate(state))

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._downwards("cleanup", lambda part: part.cleanup())

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._is_ending = True
        if state.label == "active":
            outcome = self._downwards("shutdown", lambda part: part.deactivate())
            if outcome is not TransitionCallbackReturn.SUCCESS:
                return outcome
        return self._downwards("shutdown", lambda part: part.cleanup())

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Torque off, the bus closed; ready to be configured anew, unless it was shutting down."""
        outcome = self._downwards("error", lambda part: part.cleanup())
        if self._is_ending:
            return TransitionCallbackReturn.FAILURE
        return outcome

    def _upwards(
        self, transition: str, up: Callable[[Part], None], down: Callable[[Part], None]
    ) -> TransitionCallbackReturn:
        done: list[Part] = []
        try:
            if self._is_halted:
                raise RobotFault("halted", "the process is about to end")
            for part in self.parts:
                up(part)
                done.append(part)
        except EXPECTED as error:
            self._say(transition, error)
            for part in reversed(done):
                down(part)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            return self._failed(transition, error)
        self.get_logger().info(f"{transition}: done")
        return TransitionCallbackReturn.SUCCESS

    def _downwards(self, transition: str, down: Callable[[Part], None]) -> TransitionCallbackReturn:
        """Every part goes down, whatever the others do."""
        outcome = TransitionCallbackReturn.SUCCESS
        for part in reversed(self.parts):
            try:
                down(part)
            except Exception as error:
                outcome = self._failed(transition, error)
        return outcome

    def _with_publishers(
        self, outcome: TransitionCallbackReturn, also: Callable[[], TransitionCallbackReturn]
    ) -> TransitionCallbackReturn:
        """rclpy switches the lifecycle publishers where the transition succeeds."""
        return also() if outcome is TransitionCallbackReturn.SUCCESS else outcome

    def _failed(self, transition: str, error: Exception) -> TransitionCallbackReturn:
        self._say(transition, error)
        if not isinstance(error, EXPECTED):
            self.get_logger().error("".join(traceback.format_exception(error)))
        return TransitionCallbackReturn.ERROR

    def _say(self, transition: str, error: Exception) -> None:
        self.get_logger().error(f"{transition}: {error}")
        cause = error.cause if isinstance(error, RobotFault) else f"{transition}_failed"
        for part in self.parts:
            part.latch(cause, f"{transition}: {error}")

    def step_down(self, why: str) -> None:
        """Leave the active state: a part has stopped acting by itself."""
        if self._state_machine.current_state[1] == "active":
            self.get_logger().error(f"torque is off: {why}; activate again once it is well")
            self.trigger_deactivate()

    # ---- whatever others ask for ---------------------------------------------------------------

    def serve(
        self, service: Service, rules: Rules, work: Callable[[Any, Any], str], **options: Any
    ) -> None:
        """Offer a service. Each request is held to its rules before `work` gets it.

        `work` takes request and response and returns the response's message, or raises why not.
        """

        def answer(request: Any, response: Any) -> Any:
            require(rules, service.name, request)
            response.message, response.success = work(request, response), True
            return response

        callback = self._answered(service.name, service.type, answer)
        self.create_service(service.type, service.name, callback, **options)

    def _answered(
        self, name: str, kind: Any, callback: Callable[[Any, Any], Any]
    ) -> Callable[[Any, Any], Any]:
        """Whoever asks gets an answer, and no request ends a node that may hold torque."""

        def answer(request: Any, response: Any) -> Any:
            try:
                return callback(request, response)
            except Exception as error:
                self.note_mishap(name, error)
                refusal = kind.Response()
                if hasattr(refusal, "message"):
                    refusal.message = str(error)
                return refusal

        return answer

    def note_mishap(self, what: str, error: Exception) -> None:
        """Count and say that something was not done; an error of ours with where it happened."""
        if isinstance(error, REFUSALS):
            self.mishaps["refused"] += 1
            self.get_logger().warning(f"{what}: {error}", throttle_duration_sec=SAY_AGAIN_S)
            return
        self.mishaps["failed"] += 1
        trace = "".join(traceback.format_exception(error))
        self.get_logger().error(f"{what}: {trace}", throttle_duration_sec=SAY_AGAIN_S)

    # ---- the end of the process ----------------------------------------------------------------

    def halt(self) -> None:
        """Torque off now, from any thread, whatever the executor is doing."""
        self._is_halted = True
        for part in reversed(self.parts):
            part.halt()

    def end(self) -> bool:
        """The last transition, once nothing spins any more; whether all went well."""
        if self._state_machine.current_state[1] == "finalized":
            return True
        return self.trigger_shutdown() is TransitionCallbackReturn.SUCCESS
