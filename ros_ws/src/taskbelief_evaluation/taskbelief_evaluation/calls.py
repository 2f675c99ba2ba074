"""Calls to other nodes' services, each with a limit of time and a reason when it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node

from sim2real.contract.errors import WorkFailed

POLL_S = 0.05
DISCOVERY_S = 30.0
"""how long a node may take to be there: Python starts slowly on a busy machine"""
ANSWER_S = 10.0
TRANSITION_S = 30.0
"""configuring looks at every servo, and reproduces a bundle's golden vectors"""
TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
}


class CallFailed(WorkFailed):
    """A service was not there, did not answer in time, or would not do it."""


class Caller:
    """Calls services from a thread that does not spin the node: another one has to.

    `check` is called while something is waited for; it raises if waiting is in vain.
    """

    def __init__(self, node: Node, check: Callable[[], None] = lambda: None) -> None:
        self._node, self.check = node, check
        self._clients: dict[str, Any] = {}

    def node_names(self) -> set[str]:
        """Full names of all nodes that are seen, this one too."""
        found = self._node.get_node_names_and_namespaces()
        return {f"{namespace.rstrip('/')}/{name}" for name, namespace in found}

    def call(self, kind: type, name: str, request: Any, *, timeout_s: float = ANSWER_S) -> Any:
        """The response. Raises `CallFailed` when the service is not there or does not answer."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self._node.create_client(kind, name)
        deadline = time.monotonic() + DISCOVERY_S
        while not client.wait_for_service(POLL_S):
            self.check()
            if time.monotonic() > deadline:
                raise CallFailed(f"{name} is not there after {DISCOVERY_S:g} s")
        answered = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _future: answered.set())
        deadline = time.monotonic() + timeout_s
        while not answered.wait(POLL_S):
            self.check()
            if time.monotonic() > deadline:
                client.remove_pending_request(future)
                raise CallFailed(f"{name} did not answer within {timeout_s:g} s")
        return future.result()

    def ask(self, kind: type, name: str, request: Any, *, timeout_s: float = ANSWER_S) -> Any:
        """The same for services that say whether they did it. Raises `CallFailed` if not."""
        response = self.call(kind, name, request, timeout_s=timeout_s)
        if not response.success:
            raise CallFailed(f"{name}: {response.message}")
        return response

    def change_state(self, node: str, label: str) -> None:
        """Take a lifecycle node through a transition; `node` is its name as topics are named.

        Raises `CallFailed` when it refuses or fails. Why is in what that node says.
        """
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[label]))
        name = f"{node}/change_state"
        if not self.call(ChangeState, name, request, timeout_s=TRANSITION_S).success:
            state = self.state(node)
            raise CallFailed(f"{node} could not {label}: it is {state}")

    def state(self, node: str) -> str:
        """A lifecycle node's state: unconfigured, inactive, active, finalized."""
        response = self.call(GetState, f"{node}/get_state", GetState.Request())
        return str(response.current_state.label)
