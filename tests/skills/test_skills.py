"""Conformance of every skill, and the arithmetic of each."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Reading
from sim2real.contract.manifest import SkillReference
from sim2real.skills.pose import Pose
from sim2real.skills.registry import SKILLS, make_skill
from sim2real.skills.skill import Moment, Skill, observation, reward
from sim2real.skills.valve_screw import ValveScrew
from sim2real.skills.valve_turn import ValveTurn

EVERY_SKILL = [
    pytest.param(make(target_visible=visible), id=f"{name}-{'visible' if visible else 'hidden'}")
    for name, make in SKILLS.items()
    for visible in (False, True)
]
MEASURED = {
    "position_rad",
    "velocity_rad_s",
    "current_ma",
    "object_position_rad",
    "object_velocity_rad_s",
}


def moment(skill: Skill, *batch: int, seed: int = 0, **changes: object) -> Moment:
    rng = np.random.default_rng(seed)
    fields = {
        "position_rad": rng.normal(size=(*batch, 9)),
        "velocity_rad_s": rng.normal(size=(*batch, 9)),
        "current_ma": rng.normal(size=(*batch, 9)),
        "object_position_rad": rng.normal(size=batch),
        "object_velocity_rad_s": rng.normal(size=batch),
        "target_position_rad": rng.normal(size=(*batch, 9)),
        "elapsed_s": rng.uniform(0, 5, size=batch),
        "goal": rng.normal(size=(*batch, skill.goal_size)),
        "object_start_rad": rng.normal(size=batch),
        "halfway_s": rng.uniform(0, 5, size=batch),
        "object_halfway_rad": rng.normal(size=batch),
        "lower_rad": np.full(9, -1.0),
        "upper_rad": np.full(9, 1.0),
    } | changes
    reading = Reading(stamp_ns=0, sequence=0, **{k: v for k, v in fields.items() if k in MEASURED})
    return Moment(reading=reading, **{k: v for k, v in fields.items() if k not in MEASURED})


@pytest.mark.parametrize("skill", EVERY_SKILL)
@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
def test_layout_reward_and_success_are_finite_and_batched(skill, batch):
    values = skill.values(moment(skill, *batch))

    packed = observation(skill, values)

    assert packed.shape == (*batch, skill.layout.size)
    assert reward(skill, values).shape == batch
    assert reward(skill, values).dtype == np.float32
    assert np.isfinite(reward(skill, values)).all()
    assert skill.is_success(values).shape == batch
    for name, term in skill.reward_terms(values).items():
        assert term.shape == batch, name


@pytest.mark.parametrize("skill", EVERY_SKILL)
def test_a_batch_equals_its_elements(skill):
    together = moment(skill, 3)
    values = skill.values(together)
    for index in range(3):
        reading = Reading(
            stamp_ns=0,
            sequence=0,
            **{name: getattr(together.reading, name)[index] for name in MEASURED},
        )
        alone = skill.values(
            Moment(
                reading=reading,
                target_position_rad=together.target_position_rad[index],
                elapsed_s=together.elapsed_s[index],
                goal=together.goal[index],
                object_start_rad=together.object_start_rad[index],
                halfway_s=together.halfway_s[index],
                object_halfway_rad=together.object_halfway_rad[index],
                lower_rad=together.lower_rad,
                upper_rad=together.upper_rad,
            )
        )
        np.testing.assert_allclose(reward(skill, values)[index], reward(skill, alone), rtol=1e-6)
        np.testing.assert_array_equal(observation(skill, values)[index], observation(skill, alone))


@pytest.mark.parametrize("name", SKILLS)
def test_a_hidden_goal_reaches_the_reward_and_not_the_observation(name):
    for visible in (False, True):
        skill = SKILLS[name](target_visible=visible)
        one = skill.values(moment(skill, 4))
        other = skill.values(moment(skill, 4, goal=np.full((4, skill.goal_size), 0.3)))

        assert not np.array_equal(reward(skill, one), reward(skill, other))
        same = np.array_equal(observation(skill, one), observation(skill, other))
        assert same is not visible


def test_layout_sizes_are_the_sum_of_their_parts():
    joints = 9 + 9 + 9  # position, velocity, lag behind the target
    valve = 2 + 2 + 1  # cos and sin of the angle, of the lobe's phase, velocity

    assert Pose(target_visible=False).layout.size == 9 + 9  # no lag: it would tell the load
    assert Pose(target_visible=True).layout.size == 9 + 9 + 9
    assert ValveTurn(target_visible=False).layout.size == joints + valve
    assert ValveTurn(target_visible=True).layout.size == joints + valve + 1
    assert ValveTurn(valve_visible=False).layout.size == joints
    assert ValveScrew(target_visible=False).layout.size == joints + valve + 2
    assert ValveScrew(target_visible=True).layout.size == joints + valve + 2 + 2


def test_valve_turn_error_takes_the_short_way_round():
    skill = ValveTurn()
    near = moment(skill, goal=np.array([3.1]), object_position_rad=np.array(-3.1))

    values = skill.values(near)

    np.testing.assert_allclose(values["valve_error"], [6.2 - 2 * np.pi], atol=1e-9)
    assert skill.is_success(values)


def test_valve_turn_pays_most_at_the_target():
    skill = ValveTurn()
    errors = np.linspace(0, 3, 50)
    along = moment(
        skill,
        50,
        goal=np.zeros((50, 1)),
        object_position_rad=errors,
        velocity_rad_s=np.zeros((50, 9)),
    )

    paid = reward(skill, skill.values(along))

    assert (np.diff(paid) < 0).all()
    np.testing.assert_allclose(paid[0], 0.5)
    np.testing.assert_array_equal(skill.is_success(skill.values(along)), errors < 0.1)


def test_valve_screw_follows_an_angle_that_advances():
    skill = ValveScrew()
    on_time = moment(
        skill,
        goal=np.array([0.5]),
        elapsed_s=np.array(2.0),
        object_start_rad=np.array(7.0),
        object_position_rad=np.array(8.0),
    )
    late = moment(
        skill,
        goal=np.array([0.5]),
        elapsed_s=np.array(2.0),
        object_start_rad=np.array(7.0),
        object_position_rad=np.array(7.0),
    )

    np.testing.assert_allclose(skill.values(on_time)["valve_error"], [0.0], atol=1e-12)
    assert skill.is_success(skill.values(on_time))
    np.testing.assert_allclose(skill.values(late)["valve_error"], [1.0])
    assert not skill.is_success(skill.values(late))


def test_valve_screw_can_be_held_to_its_velocity_in_the_second_half():
    skill = ValveScrew(success_velocity_error_rad_s=0.1)

    def is_success(turned_rad: float, elapsed_s: float) -> bool:
        seen = moment(
            skill,
            goal=np.array([0.5]),
            elapsed_s=np.array(elapsed_s),
            object_start_rad=np.array(7.0),
            halfway_s=np.array(4.0),
            object_halfway_rad=np.array(7.3),  # however late it was until then
            object_position_rad=np.array(7.3 + turned_rad),
        )
        return bool(skill.is_success(skill.values(seen)))

    assert is_success(2.0, 8.0)
    assert is_success(1.7, 8.0)
    assert is_success(2.3, 8.0)
    assert not is_success(1.5, 8.0)
    assert not is_success(2.5, 8.0)
    assert not is_success(-2.0, 8.0)
    assert not is_success(0.0, 4.0)  # no time has passed since


@pytest.mark.parametrize("skill", [ValveTurn(range_cost=2.0), ValveScrew(range_cost=2.0)])
def test_a_joint_out_of_its_range_costs_where_it_is_charged(skill):
    position = np.zeros(9)
    inside = skill.values(moment(skill, position_rad=position))
    position = position.copy()
    position[[3, 5]] = 1.3, -1.1
    outside = skill.values(moment(skill, position_rad=position))

    assert skill.reward_terms(inside)["range_excess"] == 0.0
    np.testing.assert_allclose(skill.reward_terms(outside)["range_excess"], -2.0 * 0.4)
    assert "range_excess" not in type(skill)().reward_terms(outside)


def test_where_distance_costs_nothing_only_nearness_pays():
    skill = ValveTurn(distance_cost=0.0)

    def paid(angle_rad: float) -> float:
        return float(
            reward(
                skill,
                skill.values(
                    moment(skill, goal=np.zeros(1), object_position_rad=np.array(angle_rad))
                ),
            )
        )

    assert paid(2.0) == pytest.approx(0.0, abs=1e-4)
    assert paid(-1.0) == pytest.approx(0.0, abs=1e-4)
    assert paid(0.0) == pytest.approx(0.5)


def test_pose_success_is_the_mean_joint_error():
    skill = Pose()
    goal = np.zeros(9)
    inside = moment(skill, goal=goal, position_rad=np.full(9, 0.17))
    outside = moment(skill, goal=goal, position_rad=np.full(9, -0.18))

    assert skill.is_success(skill.values(inside))
    assert not skill.is_success(skill.values(outside))
    terms = skill.reward_terms(skill.values(inside))
    np.testing.assert_allclose(terms["pose_error"], -3 * 0.17)


@pytest.mark.parametrize("skill", EVERY_SKILL)
def test_only_excess_speed_costs(skill):
    slow = moment(skill, velocity_rad_s=np.full(9, 0.1))
    fast = moment(skill, velocity_rad_s=np.full(9, -9.0))

    assert skill.reward_terms(skill.values(slow))["excess_velocity"] == 0
    assert skill.reward_terms(skill.values(fast))["excess_velocity"] < 0


def test_a_manifest_makes_its_skill_and_unknown_ones_are_refused():
    reference = SkillReference(
        name="valve_turn", target_visible=True, options={"success_error_rad": 0.2}
    )

    assert make_skill(reference, 9, "m") == ValveTurn(target_visible=True, success_error_rad=0.2)
    with pytest.raises(BadInput, match=r"skill\.name"):
        make_skill(SkillReference(name="juggle", target_visible=True, options={}), 9, "m")
    with pytest.raises(BadInput, match=r"skill\.options"):
        make_skill(SkillReference(name="pose", target_visible=True, options={"speed": 1.0}), 9, "m")
