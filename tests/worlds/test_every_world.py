"""What the world of every registered family must hold, whatever it simulates."""

import itertools

import numpy as np
import pytest

from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.tasks.task_set import draw_task_set
from training.worlds.vector_world import measured_size

pytestmark = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())

NUM_WORLDS = 4


def draw_tasks(family, num_tasks=NUM_WORLDS, seed=0):
    """As many tasks as asked for; a finite family's are repeated."""
    train = draw_task_set(family, seed=seed, num_train=num_tasks, num_test=0).train
    return list(itertools.islice(itertools.cycle(train), num_tasks))


def random_actions(world, num_steps, seed=0):
    """(T, W, A); world w's actions are the same however many worlds there are."""
    rngs = [np.random.default_rng([seed, w]) for w in range(world.num_worlds)]
    shape = (num_steps, world.action_size)
    actions = np.stack([rng.uniform(-1.0, 1.0, shape) for rng in rngs], axis=1)
    return actions.astype(np.float32)


def roll_out(world, tasks, num_steps, seed=0, *, held=1):
    """First observation, and the results of `num_steps` random steps, each `held` times."""
    first = world.reset(tasks, seed)
    actions = random_actions(world, num_steps // held).repeat(held, axis=0)
    return first, [world.step(action) for action in actions]


def assert_same_rollout(one, other):
    np.testing.assert_array_equal(one[0], other[0], err_msg="first observation")
    for step, (left, right) in enumerate(zip(one[1], other[1], strict=True)):
        for name, a, b in zip(left._fields, left, right, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"{name} at step {step}")


@pytest.fixture
def world(family):
    world = family.make_world(NUM_WORLDS)
    yield world
    world.close()


def test_results_have_the_declared_shapes_and_are_finite(family, world):
    first, results = roll_out(world, draw_tasks(family), 30)
    assert first.dtype == np.float32
    assert first.shape == (NUM_WORLDS, world.observation_size)
    for result in results:
        assert result.observation.shape == result.final_observation.shape == first.shape
        assert result.applied_action.shape == (NUM_WORLDS, world.action_size)
        assert np.abs(result.applied_action).max() <= 1.0
        for name, value in result._asdict().items():
            is_flag = name in ("success", "terminated", "truncated")
            assert value.dtype == (np.bool_ if is_flag else np.float32), name
            assert len(value) == NUM_WORLDS, name
            assert np.isfinite(value).all(), name


def test_the_rollout_does_not_depend_on_the_number_of_threads(family):
    tasks = draw_tasks(family)
    rollouts = [
        roll_out(family.make_world(NUM_WORLDS, num_threads=num_threads), tasks, 60)
        for num_threads in (1, 2, 3)
    ]
    assert_same_rollout(rollouts[0], rollouts[1])
    assert_same_rollout(rollouts[0], rollouts[2])


def test_a_reset_carries_nothing_over(family, world):
    fresh = roll_out(family.make_world(NUM_WORLDS), draw_tasks(family), 25, seed=7)
    roll_out(world, draw_tasks(family, seed=1), 33, seed=8)
    assert_same_rollout(fresh, roll_out(world, draw_tasks(family), 25, seed=7))


def test_a_world_does_not_depend_on_its_neighbours(family):
    tasks = draw_tasks(family, 5)
    few = roll_out(family.make_world(2), tasks[:2], 25)
    many = roll_out(family.make_world(5), tasks, 25)
    np.testing.assert_array_equal(few[0], many[0][:2])
    for left, right in zip(few[1], many[1], strict=True):
        for name, a, b in zip(left._fields, left, right, strict=True):
            np.testing.assert_array_equal(a, b[:2], err_msg=name)


def test_no_two_arrays_share_memory(family, world):
    world.episode_length = 3  # so that restarts are among the steps
    first, results = roll_out(world, draw_tasks(family), 4)
    arrays = [first, *itertools.chain.from_iterable(results)]
    copies = [array.copy() for array in arrays]
    for one, other in itertools.combinations(arrays, 2):
        assert not np.shares_memory(one, other)
    world.step(random_actions(world, 1, seed=9)[0])
    for array, copied in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copied)


def test_the_action_that_was_passed_in_is_left_alone(family, world):
    world.reset(draw_tasks(family), 0)
    action = np.full((NUM_WORLDS, world.action_size), 2.0, np.float32)
    world.step(action)
    assert (action == 2.0).all()


def test_no_observation_element_is_constant(family, world):
    first, results = roll_out(world, draw_tasks(family), 120)
    observations = np.concatenate([first, *(result.observation for result in results)])
    moves = np.ptp(observations, axis=0) > 1e-6
    measured = measured_size(world)
    assert moves[:measured].all()
    if world.frame_shape is not None:  # of a picture, there is a background
        assert moves[measured:].mean() > 0.2


def test_an_observation_ends_with_a_frame_of_whole_bytes(family, world):
    first, results = roll_out(world, draw_tasks(family), 3)
    for observation in (first, *(result.final_observation for result in results)):
        frame = observation[:, measured_size(world) :]
        assert frame.shape[1] == int(np.prod(world.frame_shape or 0))
        np.testing.assert_array_equal(frame, frame.astype(np.uint8))


def test_a_time_limit_truncates_and_never_terminates(family, world):
    world.episode_length = 4
    _, results = roll_out(world, draw_tasks(family), 12)
    for step, result in enumerate(results, start=1):
        assert not result.terminated.any()
        np.testing.assert_array_equal(result.truncated, np.full(NUM_WORLDS, step % 4 == 0))


def test_the_last_transition_is_delivered_before_the_restart(family, world):
    """An episode cut at step 4 ends where one that goes on is at step 4."""
    tasks = draw_tasks(family)
    world.episode_length = 4
    _, cut = roll_out(world, tasks, 5)
    unlimited = family.make_world(NUM_WORLDS)
    _, whole = roll_out(unlimited, tasks, 5)
    for step in (0, 1, 2):
        np.testing.assert_array_equal(cut[step].final_observation, cut[step].observation)
    np.testing.assert_array_equal(cut[3].final_observation, whole[3].observation)
    np.testing.assert_array_equal(cut[3].reward, whole[3].reward)
    assert (cut[3].final_observation != cut[3].observation).any(axis=1).all()
    assert (cut[4].final_observation != whole[4].observation).any(axis=1).all()


def test_every_parameter_has_an_effect(family, world):
    """On the compiled model, or else on what the robot senses or is paid."""
    task, other = draw_tasks(family, 2)
    for parameter in family.parameters:
        values = {**task.parameters, parameter.name: other.parameters[parameter.name]}
        changed = Task(family=family.name, name="train/9", parameters=values)
        has_model = parameter.changes_dynamics and hasattr(world, "model_of")
        if has_model and models_differ(world, task, changed):
            continue
        # As long as it takes to come by a goal that pays only where it is; dithering comes by none
        # behind a wall.
        one, two = (
            [roll_out(world, [t] * NUM_WORLDS, n, held=held) for n, held in ((60, 1), (400, 20))]
            for t in (task, changed)
        )
        one, two = ((first[0], first[1] + far[1]) for first, far in (one, two))
        with pytest.raises(AssertionError, match=r"reward|observation"):
            assert_same_rollout(one, two)


def models_differ(world, task, other):
    one, two = (world.model_of(t) for t in (task, other))
    names = [n for n in dir(one) if isinstance(getattr(one, n), np.ndarray)]
    return any(not np.array_equal(getattr(one, n), getattr(two, n)) for n in names)


def test_tasks_and_actions_that_do_not_fit_are_refused(family, world):
    tasks = draw_tasks(family)
    with pytest.raises(ValueError, match=r"3 tasks for 4 worlds"):
        world.reset(tasks[:3], 0)
    world.reset(tasks, 0)
    with pytest.raises(ValueError, match=r"shape"):
        world.step(np.zeros((NUM_WORLDS, world.action_size + 1), np.float32))
    broken = np.zeros((NUM_WORLDS, world.action_size), np.float32)
    broken[2, 0] = np.nan
    with pytest.raises(ValueError, match=r"non-finite action"):
        world.step(broken)


def test_a_world_that_was_not_reset_or_is_closed_refuses_to_step(family):
    world = family.make_world(1)
    action = np.zeros((1, world.action_size), np.float32)
    with pytest.raises(RuntimeError, match=r"reset"):
        world.step(action)
    world.reset(draw_tasks(family, 1), 0)
    world.close()
    with pytest.raises(RuntimeError, match=r"closed|close"):
        world.step(action)
