"""What holds for every kind of adaptation, over bundles of all that each of them can do."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Reading
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.bundle import Bundle, read_bundle
from sim2real.runtime.controller import Controller, Tick
from sim2real.runtime.golden import READING_FIELDS, noise_sizes, read_golden
from sim2real.runtime.kinds.kind import MAX_SHOWN, Sizes
from sim2real.runtime.kinds.registry import (
    KINDS,
    belief_of,
    kind_of,
    record_of,
    settings_of,
    with_settings,
)
from sim2real.runtime.noise import TrialNoise

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")
PERIOD_NS = 100_000_000
LENGTH = 30
"""ticks of an episode, as the bundles say"""
EVERY_EXAMPLE = [(kind, settings) for kind in KINDS.values() for settings in kind.examples]


@pytest.fixture
def bundle(every_bundle) -> Bundle:
    return read_bundle(every_bundle)


def run_episode(controller: Controller, episode: int) -> list[Tick]:
    """An episode over readings of the golden vectors, at times that follow one another."""
    bundle = controller.bundle
    columns = read_golden(bundle.files["golden.npz"], bundle.manifest, "golden.npz")
    controller.begin_episode(goal=lambda _: np.array([0.5]), target_rad=HOME)
    ticks, first = [], episode * (LENGTH + 1)
    for number in range(first, first + LENGTH + 1):
        row = {name: columns[name][number % 200] for name in READING_FIELDS[2:]}
        reading = Reading(stamp_ns=number * PERIOD_NS, sequence=number, **row)
        if number < first + LENGTH:
            controller.step(reading)
        else:
            controller.end_episode(reading)
        ticks.append(controller.latest)
    return ticks


def trial(bundle: Bundle, *, seed: int = 7, episodes: int = 4, **options) -> list[list[Tick]]:
    controller = Controller(bundle, SPEC, **options)
    controller.begin_trial(seed=seed)
    return [run_episode(controller, number) for number in range(episodes)]


def actions(episode: list[Tick]) -> np.ndarray:
    return np.array([tick.action for tick in episode])


@pytest.mark.parametrize(("kind", "settings"), EVERY_EXAMPLE)
def test_settings_are_plain_and_come_back_as_they_were(kind, settings):
    record = record_of(settings)

    assert record.kind == kind.name
    assert settings_of(record, "manifest.json") == settings
    assert kind_of(settings) is kind
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.num_exploration_episodes = 3
    for name in record.settings.keys() - kind.added_later.keys():
        lacking = {key: value for key, value in record.settings.items() if key != name}
        with pytest.raises(BadInput, match=rf"adaptation\.settings\.{name}: found 'nothing'"):
            settings_of(dataclasses.replace(record, settings=lacking), "manifest.json")
    with pytest.raises(BadInput, match="exploration episode"):
        with_settings(
            settings, ["takes_action_noise=true", "num_exploration_episodes=0"], "here", "--x"
        )


def test_a_manifest_without_what_was_added_later_behaves_as_it_did():
    kind = KINDS["recurrent_belief"]
    record = record_of(kind.examples[1])
    before = {name: v for name, v in record.settings.items() if name != "num_trained_episodes"}

    found = settings_of(dataclasses.replace(record, settings=before), "manifest.json")

    assert kind.trained_episodes(found) == 0
    assert found == kind.trained_on(kind.examples[1], 0)


@pytest.mark.parametrize(("kind", "settings"), EVERY_EXAMPLE)
def test_its_graphs_and_words_say_what_it_is(kind, settings):
    graphs = kind.signatures(settings, Sizes(observation=7, action=3, context=11))

    inputs = [tensor.name for tensor in graphs["policy"].inputs]
    assert inputs[0] == "observation"
    assert ("action_noise" in inputs) == settings.takes_action_noise
    assert [tensor.shape for tensor in graphs["policy"].outputs] == [(1, 3)]
    sees_context = any(t.name == "context_row" for one in graphs.values() for t in one.inputs)
    assert kind.needs_context or not sees_context  # a kind may take it in by itself
    words = kind.words(settings)
    assert words.acts_by and words.card.endswith(".")
    assert not any(name in words.card for name in ("PEARL", "RL²", "VariBAD"))  # algorithms
    assert kind.deterministic(kind.deterministic(settings)) == kind.deterministic(settings)


def test_a_trial_that_goes_on_elsewhere_is_the_same_to_the_bit(bundle):
    whole = Controller(bundle, SPEC)
    whole.begin_trial(seed=7)
    for number in range(4):
        whole.adapt()  # what is remembered between episodes is what was learnt, see `PolicyRunner`
        memory = whole.memory
        resumed = Controller(bundle, SPEC)
        resumed.begin_trial(seed=7, first_episode=number)
        resumed.memory = memory
        ticks = run_episode(whole, number)

        for one, other in zip(ticks, run_episode(resumed, number), strict=True):
            np.testing.assert_array_equal(one.action, other.action)
            np.testing.assert_array_equal(one.shown, other.shown)
        resumed.adapt()
        whole.adapt()
        for name, value in whole.memory.items():
            np.testing.assert_array_equal(value, resumed.memory[name])


def test_an_equal_seed_is_an_equal_trial(bundle):
    first, second = trial(bundle), trial(bundle)

    np.testing.assert_array_equal(np.array(list(map(actions, first))), list(map(actions, second)))


def test_what_is_shown_is_small_and_what_is_believed_is_said(bundle):
    controller = Controller(bundle, SPEC)
    controller.begin_trial(seed=0)
    kind = kind_of(bundle.settings())

    for number in range(2):
        ticks = run_episode(controller, number)
        belief = controller.belief
        assert all(tick.shown.size <= MAX_SHOWN for tick in ticks)
        assert belief.num_transitions == (LENGTH * (number + 1) if kind.needs_context else 0)
        assert belief.mean.size <= MAX_SHOWN
        summary = belief_of({name: values.tolist() for name, values in controller.memory.items()})
        if belief.variance.size:
            np.testing.assert_allclose(summary.mean, belief.mean)
            np.testing.assert_allclose(summary.sd, np.sqrt(belief.variance))
            is_prior = not belief.mean.any() and (belief.variance == 1.0).all()
            assert (belief.kl_from_prior > 0.0) != is_prior
        else:
            assert summary is None


def test_an_episode_is_learnt_from_as_a_whole_once_and_between_ticks(bundle, monkeypatch):
    adaptation = type(Controller(bundle, SPEC)._adaptation)
    told: list[str] = []
    for verb in ("begin_episode", "end_episode", "fill"):
        heard = getattr(adaptation, verb)

        def noted(self, *args, verb=verb, heard=heard):
            told.append(verb)
            return heard(self, *args)

        monkeypatch.setattr(adaptation, verb, noted)
    controller = Controller(bundle, SPEC)
    controller.begin_trial(seed=0)
    run_episode(controller, 0)
    assert told == ["begin_episode", *["fill"] * LENGTH]  # not in the last tick

    controller.adapt()
    controller.adapt()
    run_episode(controller, 1)
    run_episode(controller, 2)  # nobody asked for it in between

    assert told.count("end_episode") == 2
    assert all(later == "begin_episode" for one, later in pairwise(told) if one == "end_episode")
    controller.begin_trial(seed=1)
    controller.adapt()
    assert told.count("end_episode") == 2  # what was forgotten is not learnt from


# ---- noise -------------------------------------------------------------------------------------


class Silence:
    """No noise at all."""

    def draw(self, name: str, place: tuple[int, ...], size: int) -> np.ndarray:
        return np.zeros(size, np.float32)


class Loud(TrialNoise):
    """The same draws in all but the action noise, which is twice as large."""

    def draw(self, name: str, place: tuple[int, ...], size: int) -> np.ndarray:
        return super().draw(name, place, size) * (2.0 if name == "action_noise" else 1.0)


def test_episodes_that_explore_act_with_noise_and_the_others_without(bundle):
    settings = bundle.settings()
    plain, loud = trial(bundle), trial(bundle, noise=Loud(7))

    for episode, (one, other) in enumerate(zip(plain, loud, strict=True)):
        explores = settings.takes_action_noise and episode < settings.num_exploration_episodes
        # Evidence of a noisier episode stays in the belief: only its own actions are compared.
        is_first = episode <= settings.num_exploration_episodes
        if explores:
            assert (actions(one)[0] != actions(other)[0]).any()
        elif not settings.takes_action_noise or (is_first and not kind_of(settings).needs_context):
            np.testing.assert_array_equal(actions(one), actions(other))
    if settings.takes_action_noise:
        several = actions(plain[0])[:LENGTH] - actions(trial(bundle, noise=Silence())[0])[:LENGTH]
        assert len(np.unique(several, axis=0)) == LENGTH  # another draw at every tick


def test_only_what_a_trial_draws_depends_on_its_seed(bundle):
    settings = bundle.settings()
    quiet = kind_of(settings).deterministic(settings)
    silent = {"settings": quiet, "noise": Silence()}

    one, other = trial(bundle, seed=1, **silent), trial(bundle, seed=2, **silent)

    np.testing.assert_array_equal(np.array(list(map(actions, one))), list(map(actions, other)))
    draws = bool(noise_sizes(bundle.manifest)) or quiet != settings or "latent_source" in dir(quiet)
    drawn = [list(map(actions, trial(bundle, seed=seed))) for seed in (1, 2)]
    assert (np.array(drawn[0]) != drawn[1]).any() == draws


def test_golden_vectors_hold_the_noise_itself(bundle):
    columns = read_golden(bundle.files["golden.npz"], bundle.manifest, "golden.npz")

    for name, size in noise_sizes(bundle.manifest).items():
        assert columns[name].shape == (200, size)
        assert columns[name].dtype == np.float32
        assert abs(columns[name].std() - 1.0) < 0.1


def test_a_draw_depends_on_its_place_and_not_on_those_before():
    noise = TrialNoise(3)
    first = noise.draw("action_noise", (1, 5), 9)
    places = [(episode, tick) for episode in range(20) for tick in range(50)]
    all_drawn = np.array([noise.draw("action_noise", place, 9) for place in places])

    np.testing.assert_array_equal(noise.draw("action_noise", (1, 5), 9), first)
    assert len(np.unique(all_drawn)) == all_drawn.size
    others = [
        TrialNoise(4).draw("action_noise", (1, 5), 9),
        noise.draw("cell_noise", (1, 5), 9),
        noise.draw("action_noise", (5, 1), 9),
        np.random.default_rng(3).standard_normal(9, np.float32),  # latents come from there
    ]
    assert all((other != first).any() for other in others)
    standard_error = 1.0 / np.sqrt(all_drawn.size)
    assert abs(all_drawn.mean()) < 4 * standard_error
    assert abs(all_drawn.std() - 1.0) < 4 * standard_error
