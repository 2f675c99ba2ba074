"""Latents that are tested within an episode, over graphs made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.runtime.kinds.kind import Sizes
from sim2real.runtime.kinds.latent_search import (
    KIND,
    LatentSearchAdaptation,
    LatentSearchSettings,
)
from sim2real.runtime.noise import TrialNoise

SIZES = Sizes(observation=1, action=1, context=3)
PLACES = (-1.0, -0.5, 0.5, 1.0)
SETTINGS = LatentSearchSettings(
    latent_size=1, latents=tuple((place,) for place in PLACES), max_excess_error=0.5
)


class Graph:
    """A line on which each latent stands for the place that pays 1, within 0.2 of it."""

    def __init__(self, role: str) -> None:
        signature = KIND.signatures(SETTINGS, SIZES)[role]
        self.role, self.runs = role, 0
        self.inputs = {t.name: np.zeros(t.shape, np.float32) for t in signature.inputs}
        self.outputs = {t.name: np.zeros(t.shape, np.float32) for t in signature.outputs}

    def run(self) -> None:
        self.runs += 1
        latents = self.inputs["latents"][0]
        if self.role == "critic":
            self.outputs["value"][0] = -np.abs(self.inputs["observation"][0] - latents)
        else:
            place, _, reward = self.inputs["context_row"][0]
            self.outputs["misfit"][0] = (np.abs(place - latents) < 0.2) - reward


class Trial:
    """A point that goes where the latent says, half a unit a tick."""

    def __init__(self, goal: float) -> None:
        self.goal = goal
        self.critic = Graph("critic")
        graphs = {"decoder": Graph("decoder"), "critic": self.critic}
        self.adaptation = LatentSearchAdaptation(SETTINGS, graphs)
        self.adaptation.reset(np.random.default_rng(0), TrialNoise(0))

    def episode(self, number: int, num_ticks: int = 8) -> list[float]:
        """The latents that were acted on."""
        self.adaptation.begin_episode(number)
        inputs = {name: np.zeros((1, 1), np.float32) for name in ("observation", "latent")}
        held, place = [], 0.0
        for tick in range(num_ticks):
            inputs["observation"][0] = place
            shown = self.adaptation.fill(inputs, number, tick)
            np.testing.assert_array_equal(shown, inputs["latent"][0])
            held.append(float(shown[0]))
            place += np.clip(held[-1] - place, -0.5, 0.5)
            paid = float(abs(place - self.goal) < 0.2)
            self.adaptation.observe(np.array([place, 0.0, paid], np.float32))
        return held


def test_ls4_a_latent_is_held_until_it_is_refuted_and_the_nearest_survivor_follows() -> None:
    trial = Trial(goal=1.0)

    # From 0 the first of the two nearest, -0.5; from there -1; then all the way to the others.
    assert trial.episode(0) == [-0.5, -1.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]
    assert trial.episode(1) == [1.0] * 8


def test_ls4_critics_are_asked_only_where_a_latent_has_to_be_chosen() -> None:
    trial = Trial(goal=1.0)
    trial.episode(0)

    assert trial.critic.runs == 4


def test_ls4_an_episode_begins_with_a_choice_of_its_own() -> None:
    trial = Trial(goal=0.5)
    assert trial.episode(0, num_ticks=2) == [-0.5, -1.0]
    # Held was -1, which has just been refuted; from the start 0.5 is nearer than 1.
    assert trial.episode(1, num_ticks=2) == [0.5, 0.5]
    trial = Trial(goal=0.5)
    trial.adaptation._held = 3  # which nothing speaks against
    assert trial.episode(1, num_ticks=1) == [-0.5]


def test_nothing_is_drawn_and_a_new_trial_has_forgotten() -> None:
    one, other = Trial(goal=1.0), Trial(goal=1.0)
    first = one.episode(0)
    other.adaptation.reset(np.random.default_rng(1), TrialNoise(1))
    assert other.episode(0) == first

    one.adaptation.reset(np.random.default_rng(2), TrialNoise(2))
    assert one.adaptation.summary().num_transitions == 0
    assert one.episode(0) == first


def test_what_is_believed_is_said_by_the_survivors() -> None:
    trial = Trial(goal=1.0)
    assert trial.adaptation.summary().kl_from_prior == 0.0
    trial.episode(0)

    belief = trial.adaptation.summary()
    assert belief.mean == [1.0] and belief.num_transitions == 8
    assert belief.kl_from_prior == pytest.approx(np.log(4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"error": np.full(4, -1.0)}, "none below zero"),
        ({"error": np.zeros(3)}, "4 numbers"),
        ({"error": np.array([0.0, 1.0, np.nan, 0.0])}, "finite"),
        ({"num_transitions": np.array([0.5])}, "whole number"),
    ],
)
def test_memories_that_cannot_be_are_refused(changes, message) -> None:
    adaptation = Trial(goal=1.0).adaptation
    before = adaptation.memory

    with pytest.raises(BadInput, match=message):
        adaptation.memory = {**before, **changes}
    np.testing.assert_array_equal(adaptation.memory["error"], before["error"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latents": ()}, "latents 0"),
        ({"latents": ((1.0, 2.0),)}, "1 numbers each"),
        ({"max_excess_error": 0.0}, "above 0"),
        ({"max_excess_error": float("inf")}, "above 0"),
        ({"latent_size": 0}, "latent_size 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **changes)
