"""Parameters as they were declared, or one line that says what does not fit.

All are read-only once the node runs: every one of them decides what a hand does. rclpy refuses to
set them then, with that reason; here they are checked as they are given at the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from sim2real.contract.errors import BadInput
from taskbelief_hardware.declarations import Parameter

Value = str | int | float


def declare(node: Node, parameters: Iterable[Parameter]) -> Mapping[str, Value]:
    """Declare them on the node; their values by name.

    Raises `BadInput` for a value of another type, outside its range or not among its choices, and
    for a parameter that was given to the node and that it does not have.
    """
    declared = {parameter.name: _declared(node, parameter) for parameter in parameters}
    known = {"use_sim_time", *declared}
    for name in node._parameter_overrides:  # public is only what was declared
        if name not in known and not name.startswith("qos_overrides."):
            raise BadInput(
                node.get_name(), name, found="a parameter", expected=", ".join(sorted(known))
            )
    return declared


def _declared(node: Node, parameter: Parameter) -> Value:
    where = node.get_name()
    try:
        given: Any = node.declare_parameter(
            parameter.name, parameter.default, descriptor(parameter)
        )
    except InvalidParameterTypeException as error:
        found = node._parameter_overrides[parameter.name].value
        kind = type(parameter.default).__name__
        expected = f"a {kind}, as in {parameter.default!r}"
        raise BadInput(where, parameter.name, found=found, expected=expected) from error
    except InvalidParameterValueException as error:
        found = node._parameter_overrides[parameter.name].value
        expected = f"{parameter.low:g} to {parameter.high:g}: {parameter.purpose}"
        raise BadInput(where, parameter.name, found=found, expected=expected) from error
    value: Value = given.value
    if parameter.is_required and value == "":
        expected = f"{parameter.purpose}, with -p {parameter.name}:=..."
        raise BadInput(where, parameter.name, found="nothing", expected=expected)
    if parameter.choices and value not in parameter.choices:
        expected = f"one of {', '.join(parameter.choices)}"
        raise BadInput(where, parameter.name, found=value, expected=expected)
    return value


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """What `ros2 param describe` shows."""
    described = ParameterDescriptor(description=parameter.purpose, read_only=True)
    if parameter.choices:
        described.additional_constraints = f"one of {', '.join(parameter.choices)}"
    if parameter.low is None or parameter.high is None:
        return described
    if isinstance(parameter.default, float):
        described.floating_point_range = [
            FloatingPointRange(from_value=parameter.low, to_value=parameter.high, step=0.0)
        ]
    else:
        described.integer_range = [
            IntegerRange(from_value=int(parameter.low), to_value=int(parameter.high), step=1)
        ]
    return described
