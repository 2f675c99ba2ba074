"""What is recorded: every topic with its message and the quality of service it is offered with.

The names are relative: the graph of a robot lives in a namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One recorded topic."""

    type: str
    """of its messages, as in "std_msgs/Header" """
    depth: int = 10
    """messages that a publisher keeps"""
    is_reliable: bool = True
    """lost messages are sent again"""
    is_latched: bool = False
    """who joins late gets the last ones"""


TOPICS: Mapping[str, Topic] = {
    "hand_reading": Topic(type="taskbelief_interfaces/HandReading"),
    "joint_targets": Topic(type="taskbelief_interfaces/JointTargets", depth=1),
    "joint_states": Topic(type="sensor_msgs/JointState"),
    "servo_states": Topic(type="taskbelief_interfaces/ServoStateArray", depth=5, is_reliable=False),
    "control_tick": Topic(type="taskbelief_interfaces/ControlTick"),
    "safety_event": Topic(type="taskbelief_interfaces/SafetyEvent", is_latched=True),
    "belief": Topic(type="taskbelief_interfaces/TaskBelief", depth=1, is_latched=True),
    "policy_step": Topic(type="taskbelief_interfaces/PolicyStep"),
    "policy_frame": Topic(type="taskbelief_interfaces/PolicyFrame"),
    "episode_start": Topic(type="taskbelief_interfaces/EpisodeStart", is_latched=True),
    "trial_result": Topic(type="taskbelief_interfaces/TrialResult", is_latched=True),
    "bundle_info": Topic(type="taskbelief_interfaces/BundleInfo", depth=1, is_latched=True),
    "diagnostics": Topic(type="diagnostic_msgs/DiagnosticArray"),
    "robot_description": Topic(type="std_msgs/String", depth=1, is_latched=True),
}
"""by relative name"""


def offered_qos_profiles(topic: Topic) -> str:
    """The YAML that rosbag2 keeps with a channel, so that playing it back offers the same.

    Policies are numbers (`rmw_qos_*_policy_e`): every rosbag2 reads those.
    """
    numbers = {
        "history": 1,  # keep last
        "depth": topic.depth,
        "reliability": 1 if topic.is_reliable else 2,
        "durability": 1 if topic.is_latched else 2,
        "deadline": _FOR_EVER,
        "lifespan": _FOR_EVER,
        "liveliness": 1,  # automatic
        "liveliness_lease_duration": _FOR_EVER,
        "avoid_ros_namespace_conventions": "false",
    }
    first, *others = [f"{name}: {value}" for name, value in numbers.items()]
    return "\n".join([f"- {first}", *(f"  {line}" for line in others)])


_FOR_EVER = "{sec: 9223372036, nsec: 854775807}"
"""rmw's infinite duration"""
