"""The probe of whether a policy looks: it plays what the policy plays, and shows what it says."""

from __future__ import annotations

import dataclasses
import json

import matplotlib.image
import numpy as np
import pytest
import torch

from sim2real.contract.errors import BadInput
from tests.algorithms.conftest import build
from training.algorithms.meld import BelievingActor, Meld
from training.algorithms.rl2_pixels import Rl2Pixels
from training.algorithms.sac import Sac
from training.algorithms.sac_pixels import SacPixels
from training.algorithms.slac import Slac
from training.families.registry import FAMILIES
from training.families.valve_pixels import VALVE_TURN_PIXELS as FAMILY
from training.recipes.registry import RECIPES
from training.runs.pixels_probe import (
    FRAMES,
    STRIP_INTERVAL,
    STRIP_ZOOM,
    eye_of,
    of_another,
    play,
    play_trial,
    probe,
    r_squared,
    with_angle,
)
from training.runs.start import start_run


def learner(of: type = SacPixels) -> SacPixels:
    built: SacPixels = build(of, FAMILY)
    return built


def test_the_valve_measured_beside_changes_nothing_that_is_played() -> None:
    policy = learner()
    tasks = list(policy.tasks[:3])
    world, actor = FAMILY.make_world(3), policy.make_actor(tasks, is_deterministic=True)
    observation, total = world.reset(tasks, 4), np.zeros(3)
    for _ in range(world.episode_length):
        result = world.step(actor.act(observation).action)
        total += result.reward
        observation = result.observation
    played = play(policy, FAMILY, tasks, seed=4)

    np.testing.assert_array_equal(played.returned, total)
    starts = [task.parameters["valve_start"][0] for task in tasks]
    np.testing.assert_allclose(played.angle_rad[0], starts, atol=0.11)
    assert played.frame.shape == (world.episode_length, 3, 32, 32, 3)
    assert ((played.error_rad >= 0) & (played.error_rad <= np.pi)).all()


def test_other_frames_are_those_of_the_world_beside_or_black() -> None:
    frame = np.arange(12.0, dtype=np.float32).reshape(3, 4)

    np.testing.assert_array_equal(of_another(frame, "true"), frame)
    np.testing.assert_array_equal(of_another(frame, "shuffled"), frame[[2, 0, 1]])
    assert not of_another(frame, "black").any()
    policy = learner()
    with torch.no_grad():  # untrained, it hardly moves, and a valve that nobody touches pays alike
        for parameter in policy.policy.parameters():
            parameter.mul_(10.0)
    tasks = list(policy.tasks[:3])
    returns = [play(policy, FAMILY, tasks, seed=4, frames=frames).returned for frames in FRAMES]
    assert not np.array_equal(returns[0], returns[1])
    assert not np.array_equal(returns[0], returns[2])


def test_a_learner_that_adapts_is_blind_through_its_whole_trial(monkeypatch) -> None:
    """Its belief comes from the frames that it was shown, and lasts from episode to episode."""
    family = FAMILIES["valve_turn_pixels_varied"]
    believer = build(Meld, family)
    with torch.no_grad():  # untrained, it hardly moves
        for parameter in believer.policy.parameters():
            parameter.mul_(10.0)
    tasks = list(believer.tasks[:3])
    see, shown = BelievingActor._seen, []

    def noting(actor: BelievingActor, observation: np.ndarray) -> torch.Tensor:
        shown.append(observation)
        return see(actor, observation)

    monkeypatch.setattr(BelievingActor, "_seen", noting)
    played = {
        frames: play_trial(believer, family, tasks, 2, seed=4, frames=frames) for frames in FRAMES
    }
    num_steps = family.scene.episode_length
    count = 2 * 2 * num_steps  # what is acted in is seen once more as evidence

    assert [len(trial) for trial in played.values()] == [2, 2, 2]
    assert len(shown) == 3 * count
    assert shown[0][:, -3072:].any()
    assert not any(observation[:, -3072:].any() for observation in shown[2 * count :])
    first = played["true"][0]
    alone = play(believer, family, tasks, seed=4)
    np.testing.assert_array_equal(first.returned, alone.returned)
    again = play(believer, family, tasks, seed=5)
    assert not np.array_equal(played["true"][1].returned, again.returned)  # it remembers


def test_the_score_is_of_the_angles_that_were_there() -> None:
    policy = learner()
    fit, held_out = (
        play(policy, FAMILY, list(policy.tasks), seed=seed, is_deterministic=False)
        for seed in (1, 2)
    )
    score = r_squared(policy.eye, fit, held_out)
    shuffled = np.random.default_rng(0).permutation(len(held_out.angle_rad))
    wrong = held_out._replace(angle_rad=held_out.angle_rad[shuffled, ::-1])

    assert r_squared(policy.eye, fit, wrong) < score < 1.0
    assert r_squared(policy.eye, fit, fit) <= 1.0


def test_families_that_need_not_be_seen_and_learners_that_do_not_see_are_refused() -> None:
    with pytest.raises(BadInput, match=r"'valve_turn', expected a family whose valve"):
        with_angle(FAMILIES["valve_turn"])  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"'Sac', expected a run from pixels"):
        eye_of(build(Sac, FAMILIES["point_robot"]))
    assert eye_of(learner(Slac)) is not None
    assert eye_of(learner(Rl2Pixels)).num_features == 2


def test_a_run_is_probed_in_four_lines(tmp_path, capsys) -> None:
    recipe = RECIPES["sac-valve-turn-pixels"]()
    recipe = dataclasses.replace(
        recipe,
        config=SacPixels.config_type.smallest(),
        num_train_tasks=4,
        num_test_tasks=2,
        num_iterations=1,
    )
    start_run(recipe, name="sac-valve-turn-pixels", seed=0, directory=tmp_path, is_quiet=True)
    capsys.readouterr()
    probe(tmp_path, num_tasks=2, strip=tmp_path / "strip.png")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [line.get("frames") for line in lines] == [*FRAMES, None]
    figures = {"return", "median_error_rad", "success", "success_by_episode", "environment_steps"}
    assert figures <= set(lines[0])
    assert {"r_squared", "r_squared_untrained"} < set(lines[3])
    picture = matplotlib.image.imread(tmp_path / "strip.png")
    num_shown = -(-FAMILY.scene.episode_length // STRIP_INTERVAL)
    assert picture.shape[:2] == (2 * 32 * STRIP_ZOOM, num_shown * 32 * STRIP_ZOOM)  # two episodes
