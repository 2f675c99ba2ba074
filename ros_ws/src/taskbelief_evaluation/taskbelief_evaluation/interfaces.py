"""The recorder's and the evaluation's parameters. Their topics are those of driver and policy."""

from __future__ import annotations

from taskbelief_evaluation.tap import TAPPED
from taskbelief_hardware.declarations import NodeInterface, Parameter
from taskbelief_hardware.interfaces import (
    CONTROL_TICK,
    DRIVER_PARAMETERS,
    PLACE_HAND,
    REALTIME_PRIORITY,
    ROBOT_CONFIG,
)
from taskbelief_policy.interfaces import (
    BEGIN_EPISODE,
    BEGIN_TRIAL,
    BUNDLE,
    FREEZE_BELIEF,
    GET_BELIEF,
    SET_BELIEF,
    TRIAL_RESULT,
)

_ROBOT, _UNIT, _PORT = (
    next(parameter for parameter in DRIVER_PARAMETERS if parameter.name == name)
    for name in ("robot", "unit", "port")
)
FOLDER = Parameter(
    name="folder", default="", purpose="folder for recordings; has to be given", is_required=True
)

RECORDER = NodeInterface(
    publishes=(),
    subscribes=tuple(TAPPED.values()),
    services=(),
    parameters=(FOLDER, _ROBOT, _UNIT, ROBOT_CONFIG, REALTIME_PRIORITY),
)
PLAN = Parameter(
    name="plan",
    default="",
    purpose="JSON file of tasks and episodes, as `taskbelief plan` writes it; has to be given",
    is_required=True,
)
OUT = Parameter(
    name="out",
    default="",
    purpose="folder for journal, results and recordings; goes on with what it holds",
    is_required=True,
)
TOPOLOGY = Parameter(
    name="topology",
    default="two_processes",
    purpose="which nodes are there: driver and policy, or both in one",
    choices=("two_processes", "one_process"),
)
FAULTS = Parameter(
    name="faults", default="", purpose="YAML plan of faults of the emulated hands; empty: none"
)
MAX_FAULTS = Parameter(
    name="max_faults", default=1, purpose="faults after which it stops", low=1, high=1000
)

EVALUATOR = NodeInterface(
    publishes=(),
    subscribes=tuple(TAPPED.values()),
    services=(),
    calls=(
        *(PLACE_HAND, BEGIN_TRIAL, BEGIN_EPISODE),
        *(FREEZE_BELIEF, GET_BELIEF, SET_BELIEF),
    ),
    parameters=(
        *(PLAN, OUT, BUNDLE, TOPOLOGY, FAULTS, MAX_FAULTS),
        *(_ROBOT, _UNIT, _PORT, ROBOT_CONFIG, REALTIME_PRIORITY),
    ),
)
BENCH = NodeInterface(
    publishes=(),
    subscribes=(CONTROL_TICK, TRIAL_RESULT),
    services=(),
    calls=(BEGIN_TRIAL, BEGIN_EPISODE),
    parameters=(
        Parameter(name="seconds", default=20.0, purpose="how long, s", low=1.0, high=1e6),
        Parameter(name="period_s", default=0.1, purpose="the policy's, s", low=1e-4, high=10.0),
        Parameter(name="out", default="", purpose="JSON file to write", is_required=True),
        Parameter(name="camera", default="", purpose="whose frames are counted; empty: none"),
        Parameter(
            name="camera_period_s", default=0.05, purpose="its period, s", low=1e-3, high=10.0
        ),
    ),
)
