"""The recorder's and the evaluation's parameters. Their topics are those of driver and policy."""

from __future__ import annotations

from taskbelief_hardware.declarations import NodeInterface, Parameter
from taskbelief_hardware.interfaces import DRIVER_PARAMETERS, ROBOT_CONFIG

from taskbelief_evaluation.tap import TAPPED

_ROBOT, _UNIT = (
    next(parameter for parameter in DRIVER_PARAMETERS if parameter.name == name)
    for name in ("robot", "unit")
)
FOLDER = Parameter(
    name="folder", default="", purpose="folder for recordings; has to be given", is_required=True
)

RECORDER = NodeInterface(
    publishes=(),
    subscribes=tuple(TAPPED.values()),
    services=(),
    parameters=(FOLDER, _ROBOT, _UNIT, ROBOT_CONFIG),
)
EVALUATOR = NodeInterface(
    publishes=(),
    subscribes=tuple(TAPPED.values()),
    services=(),
    parameters=(),
)
