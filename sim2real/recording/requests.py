"""What may come in from outside, field by field: every request, and every reading of a hand.

The only place where it is written down. A node asks it before anything acts on what was said, so
that no number that is none, no angle that no servo has and no word that means nothing gets near
torque. `JointTargets` are judged by `runtime.target_inbox`, which also knows the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec

ROBOTS = ("simulated", "emulated", "serial")
CONDITIONS = ("adapted", "frozen_prior", "wrong_task", "robust", "oracle")
MAX_TEXT = 1000
"""characters of a name or a reason: it goes into every record of its episode"""
MAX_NUMBERS = 1_000_000
"""of what is carried about a task"""
MAX_EPISODES = 10_000
"""of a trial: the latents of all before the first are drawn when it begins"""
MAX_TURN_RAD = 256 * 2 * math.pi
"""what a servo counts either way"""
MAX_SHOWN = 12
"""numbers of an array that a message shows"""
MAX_MEASURED = 1e6
"""rad/s and mA: far beyond what any servo can show"""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a field may hold."""

    expected: str
    """for the message where it does not"""
    holds: Callable[[Any], bool]
    """whether it does; never raises for a value of the field's own type"""


Rules = Mapping[str, Rule]
"""by name of the field; one for every field"""


def require(rules: Rules, where: str, message: Any) -> None:
    """Raise `BadInput` for the first field of a message or request that breaks its rule."""
    for name, rule in rules.items():
        found = getattr(message, name)
        if not rule.holds(found):
            raise BadInput(where, name, found=_shown(found), expected=rule.expected)


def request_rules(spec: RobotSpec) -> Mapping[str, Rules]:
    """The rules of every service's request, by the name of its type."""
    lower, upper = spec.joint_array("lower_rad"), spec.joint_array("upper_rad")
    return {
        "BeginTrial": {
            "robot": one_of(ROBOTS),
            "task": text(),
            "condition": one_of(CONDITIONS),
            "trial": anything(),
            "seed": anything(),
            "first_episode": whole(MAX_EPISODES),
        },
        "BeginEpisode": {
            "seed": anything(),
            "goal_centre": numbers(),
            "goal_amplitude": numbers(),
            "goal_frequency_rad_s": numbers(),
        },
        "EndEpisode": {"reason": text()},
        "FreezeBelief": {"is_frozen": anything()},
        "GetBelief": {},
        "SetBelief": {
            "names": distinct_texts(),
            "sizes": numbers(low=0.0, high=MAX_NUMBERS),
            "values": numbers(),
        },
        "PlaceHand": {
            "joint_rad": numbers(size=len(spec.joints), low=lower, high=upper, unit=" rad"),
            "moves_object": anything(),
            "object_rad": number(low=-MAX_TURN_RAD, high=MAX_TURN_RAD, unit=" rad"),
        },
        "RecoverServos": {"names": some_of(spec.joint_names)},
        "Trigger": {},
    }


def reading_rules(spec: RobotSpec) -> Rules:
    """The rules of a HandReading."""
    size = len(spec.joints)
    turns: dict[str, Any] = {"low": -MAX_TURN_RAD, "high": MAX_TURN_RAD, "unit": " rad"}
    measured: dict[str, Any] = {"low": -MAX_MEASURED, "high": MAX_MEASURED}
    return {
        "header": anything(),
        "reading_ns": number(low=0.0),
        "sequence": anything(),
        "names": exactly(spec.joint_names),
        "position_rad": numbers(size=size, **turns),
        "velocity_rad_s": numbers(size=size, **measured, unit=" rad/s"),
        "current_ma": numbers(size=size, **measured, unit=" mA"),
        "object_position_rad": number(**turns),
        "object_velocity_rad_s": number(**measured, unit=" rad/s"),
        "applied_rad": numbers(size=size, may_be_empty=True, **turns),
        "applied_answers_ns": number(low=0.0),
        "is_following": anything(),
    }


# ---- the rules there are -----------------------------------------------------------------------


def anything() -> Rule:
    """Its type says all."""
    return Rule(expected="anything", holds=lambda _: True)


def one_of(names: Sequence[str]) -> Rule:
    return Rule(expected=f"one of {', '.join(names)}", holds=lambda found: found in names)


def exactly(names: Sequence[str]) -> Rule:
    """These texts, in this order."""
    expected = f"{', '.join(names)}, in this order"
    return Rule(expected=expected, holds=lambda found: tuple(found) == tuple(names))


def some_of(names: Sequence[str]) -> Rule:
    """Any of these texts, each at most once; none as well."""

    def holds(found: Sequence[str]) -> bool:
        return len(set(found)) == len(found) and set(found) <= set(names)

    return Rule(expected=f"some of {', '.join(names)}, each once, or none", holds=holds)


def text() -> Rule:
    def holds(found: str) -> bool:
        return len(found) <= MAX_TEXT and (found.isprintable() or found == "")

    return Rule(expected=f"at most {MAX_TEXT} printable characters", holds=holds)


def distinct_texts() -> Rule:
    one = text()

    def holds(found: Sequence[str]) -> bool:
        return len(set(found)) == len(found) and all(map(one.holds, found))

    return Rule(expected=f"different names, each {one.expected}", holds=holds)


def whole(most: int) -> Rule:
    return Rule(expected=f"0 to {most}", holds=lambda found: 0 <= found <= most)


def number(*, low: float = -math.inf, high: float = math.inf, unit: str = "") -> Rule:
    """One finite number."""
    expected = f"a finite number{_range(low, high, unit)}"
    return Rule(
        expected=expected, holds=lambda found: math.isfinite(found) and low <= found <= high
    )


def numbers(
    *,
    size: int | None = None,
    may_be_empty: bool = False,
    low: ArrayLike = -math.inf,
    high: ArrayLike = math.inf,
    unit: str = "",
) -> Rule:
    """Finite numbers, `size` of them where one is given; bounds for all or for each."""
    lowest, highest = np.asarray(low, np.float64), np.asarray(high, np.float64)
    count = "" if size is None else f"{size} "
    empty = " or none" if may_be_empty else ""

    def holds(found: Sequence[float]) -> bool:
        if may_be_empty and len(found) == 0:
            return True
        if len(found) > MAX_NUMBERS or (size is not None and len(found) != size):
            return False
        values = np.asarray(found, np.float64)
        is_fine = np.isfinite(values) & (values >= lowest) & (values <= highest)
        return bool(is_fine.all())

    expected = f"{count}finite numbers{_range(lowest, highest, unit)}{empty}"
    return Rule(expected=expected, holds=holds)


def _range(low: ArrayLike, high: ArrayLike, unit: str) -> str:
    lowest, highest = np.asarray(low), np.asarray(high)
    if not (np.isfinite(lowest).any() or np.isfinite(highest).any()):
        return ""
    if not np.isfinite(highest).any():
        return f" from {_bounds(lowest)}{unit}"
    return f" from {_bounds(lowest)} to {_bounds(highest)}{unit}"


def _bounds(values: Any) -> str:
    """One number where all are the same."""
    different = np.unique(values)
    return f"{different[0]:g}" if len(different) == 1 else f"{np.round(values, 3).tolist()}"


def _shown(found: Any) -> Any:
    """A field's value for a message; long ones with their size."""
    if isinstance(found, str):
        return found if len(found) <= MAX_TEXT else f"{len(found)} characters"
    if not hasattr(found, "__len__"):
        return found
    if len(found) <= MAX_SHOWN:
        return [item.item() if isinstance(item, np.generic) else item for item in found]
    return f"{len(found)} values, {list(found[:3])} and so on"
