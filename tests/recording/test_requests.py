"""What may come in from outside: a rule for every field there is, and what each of them refuses."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.protocol import Condition
from sim2real.hardware.registry import ROBOTS
from sim2real.recording import requests
from sim2real.recording.requests import reading_rules, request_rules, require
from sim2real.recording.schemas import fields

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")
SERVICES = Path(__file__).resolve().parents[2] / "ros_ws/src/taskbelief_interfaces/srv"
RULES = request_rules(SPEC)
READING = reading_rules(SPEC)
READ_FIELDS = fields("taskbelief_interfaces/HandReading")
PLAUSIBLE: dict[str, dict[str, Any]] = {
    "BeginTrial": {
        "robot": "emulated",
        "task": "test/0",
        "condition": "adapted",
        "trial": 0,
        "seed": 2**64 - 1,
        "first_episode": 3,
    },
    "BeginEpisode": {
        "seed": 1,
        "goal_centre": [0.5],
        "goal_amplitude": [],
        "goal_frequency_rad_s": [],
    },
    "EndEpisode": {"reason": ""},
    "FreezeBelief": {"is_frozen": True},
    "GetBelief": {},
    "SetBelief": {"names": ["num_transitions"], "sizes": [1], "values": [5.0]},
    "PlaceHand": {"joint_rad": HOME.tolist(), "moves_object": True, "object_rad": -0.5},
    "RecoverServos": {"names": []},
    "Trigger": {},
}
HAND_READING = {
    "header": None,
    "reading_ns": 5,
    "sequence": 1,
    "names": list(SPEC.joint_names),
    "position_rad": HOME,
    "velocity_rad_s": np.zeros(9),
    "current_ma": np.zeros(9),
    "object_position_rad": 12.0,
    "object_velocity_rad_s": 0.0,
    "applied_rad": [],
    "applied_answers_ns": 0,
    "is_following": True,
}


def fields_of(service: str) -> dict[str, str]:
    """Types of a request's fields, from the file that defines them."""
    request = (SERVICES / f"{service}.srv").read_text().split("---")[0]
    words = [line.split("#")[0].split() for line in request.splitlines()]
    return {found[1]: found[0] for found in words if found}


def refused(rules: requests.Rules, plausible: dict[str, Any], **changed: Any) -> BadInput:
    with pytest.raises(BadInput) as caught:
        require(rules, "request", SimpleNamespace(**plausible | changed))
    assert caught.value.field in changed
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("service", sorted(path.stem for path in SERVICES.glob("*.srv")))
def test_every_field_of_every_service_has_a_rule(service):
    assert list(RULES[service]) == list(fields_of(service))


def test_every_field_of_a_reading_has_a_rule():
    assert list(READING) == list(READ_FIELDS)


def test_the_words_are_those_that_are_used_elsewhere():
    assert set(requests.ROBOTS) == set(ROBOTS)
    assert {str(each) for each in Condition} <= set(requests.CONDITIONS)


@pytest.mark.parametrize("service", sorted(RULES))
def test_what_is_meant_passes(service):
    require(RULES[service], service, SimpleNamespace(**PLAUSIBLE[service]))


NUMBERS = [
    (service, name, kind)
    for service in sorted(path.stem for path in SERVICES.glob("*.srv"))
    for name, kind in fields_of(service).items()
    if kind.startswith("float")
]


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf], ids=str)
@pytest.mark.parametrize(("service", "name", "kind"), NUMBERS, ids=str)
def test_no_number_of_a_request_is_none(service, name, kind, strange):
    size = max(len(np.atleast_1d(PLAUSIBLE[service][name])), 1)
    value = [strange] * size if kind.endswith("[]") else strange
    assert "finite" in refused(RULES[service], PLAUSIBLE[service], **{name: value}).expected


@pytest.mark.parametrize("strange", [math.nan, math.inf, 1e300], ids=str)
@pytest.mark.parametrize("name", [n for n, f in READ_FIELDS.items() if f.type == "float64"])
def test_no_number_of_a_reading_is_none(name, strange):
    value = [strange] * 9 if READ_FIELDS[name].is_array else strange
    refused(READING, HAND_READING, **{name: value})


@pytest.mark.parametrize(
    ("service", "changed", "told"),
    [
        ("BeginTrial", {"condition": "sideways"}, "adapted, frozen_prior"),
        ("BeginTrial", {"robot": ""}, "simulated, emulated, serial"),
        ("BeginTrial", {"robot": "Emulated"}, "'Emulated'"),
        ("BeginTrial", {"first_episode": 4_000_000_000}, "0 to 10000"),
        ("BeginTrial", {"task": "a\nb"}, "printable"),
        ("BeginTrial", {"task": "x" * 5000}, "5000 characters"),
        ("SetBelief", {"names": ["a", "a"]}, "different names"),
        ("PlaceHand", {"joint_rad": []}, "found []"),
        ("PlaceHand", {"joint_rad": [0.0] * 8}, "9 finite numbers"),
        ("PlaceHand", {"joint_rad": [9.0] * 9}, "rad"),
        ("PlaceHand", {"object_rad": 1e5}, "-1608.5 to 1608.5 rad"),
        ("RecoverServos", {"names": ["thumb"]}, "finger1_top"),
        ("RecoverServos", {"names": ["finger1_top", "finger1_top"]}, "each once"),
    ],
    ids=str,
)
def test_what_means_nothing_is_told_with_what_would(service, changed, told):
    assert told in str(refused(RULES[service], PLAUSIBLE[service], **changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"names": list(reversed(SPEC.joint_names))},
        {"position_rad": np.zeros(8)},
        {"applied_rad": np.zeros(3)},
        {"reading_ns": -1},
    ],
    ids=str,
)
def test_a_reading_of_another_hand_is_refused(changed):
    refused(READING, HAND_READING, **changed)
    require(READING, "reading", SimpleNamespace(**HAND_READING))
