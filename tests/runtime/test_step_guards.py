"""What stands between a step of learning and the hand: each guard, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.runtime.kinds.gradient import (
    KIND,
    GradientAdaptation,
    GradientSettings,
    LatentStepSettings,
    ParameterStepSettings,
)
from sim2real.runtime.noise import TrialNoise
from sim2real.runtime.step_guards import DECISIONS, Reference, Stepped, guarded_step

NUM_STEPS, OBSERVATION, ACTION = 10, 3, 2
PARAMETERS = 5
SETTINGS = GradientSettings(
    parameter_step=ParameterStepSettings(hidden_sizes=(4,), max_steps=40),
    num_exploration_episodes=4,
    takes_action_noise=True,
    min_episodes=3,
    max_kl=1.0,
    max_fall=6.0,
)
LATENT = replace(
    SETTINGS,
    parameter_step=None,
    latent_step=LatentStepSettings(mean_step_sizes=(0.5, 0.5), log_std_step_sizes=(0.1, 0.1)),
    takes_action_noise=False,
)


class Graph:
    """Inputs and outputs without a graph; `adapt` steps by one, at so many nats for the whole."""

    def __init__(self, inputs: dict[str, tuple[int, ...]], outputs: dict[str, int]) -> None:
        self.inputs = {name: np.zeros((1, *size), np.float32) for name, size in inputs.items()}
        self.outputs = {name: np.zeros((1, size), np.float32) for name, size in outputs.items()}
        self.nats, self.runs, self.fails = 0.25, 0, False
        self.spoilt: float | None = None

    def run(self) -> None:
        if self.fails:
            raise RuntimeError("the graph could not be run")
        self.runs += 1
        if "adapted" in self.outputs:
            scale = self.inputs["scale"][0, 0]
            self.outputs["adapted"][:] = self.inputs["parameters"] + scale
            # Of Gaussians that move apart: with the square of the distance from the base, 0.
            self.outputs["kl"][0, 0] = self.nats * self.outputs["adapted"][0, 0] ** 2
            if self.spoilt is not None:
                self.outputs["adapted"][0, 1] = self.spoilt


def made(settings: GradientSettings = SETTINGS) -> tuple[GradientAdaptation, dict[str, Any]]:
    rows = {"observation": (40, OBSERVATION), "action": (40, ACTION)}
    columns = dict.fromkeys(("advantage", "is_valid"), (40,))
    latent = dict.fromkeys(("latent_mean", "latent_log_std", "latent_noise"), (2,))
    graphs: Any = {
        "policy": Graph(
            {"observation": (OBSERVATION,), "parameters": (PARAMETERS,), **latent},
            {"action": ACTION},
        ),
        "adapt": Graph(
            {"parameters": (PARAMETERS,), **rows, **columns, "scale": (1,)},
            {"adapted": PARAMETERS, "kl": 1, "base": PARAMETERS},
        ),
    }
    adaptation = GradientAdaptation(settings, graphs)
    adaptation.reset(np.random.default_rng(0), TrialNoise(0))
    return adaptation, graphs


def run(
    adaptation: GradientAdaptation,
    graphs: dict[str, Any],
    episode: int,
    *,
    reward: float = 0.0,
    share: float = 1.0,
    spoilt: bool = False,
) -> None:
    """An episode whose rewards scatter about `reward`, of which a share was evidence."""
    rng = np.random.default_rng(episode)
    adaptation.begin_episode(episode)
    for tick in range(NUM_STEPS):
        adaptation.fill(graphs["policy"].inputs, episode, tick)
        graphs["policy"].outputs["action"][0] = rng.normal(size=ACTION)
        paid = np.array([reward + rng.normal(0, 0.3)])
        row = np.concatenate([rng.normal(size=OBSERVATION), np.zeros(ACTION), paid])
        row[0] = np.nan if spoilt and tick == 3 else row[0]
        if tick < share * NUM_STEPS:
            adaptation.observe(row.astype(np.float32))
    adaptation.end_episode()


def explored(settings: GradientSettings = SETTINGS, **options: Any) -> Any:
    """After the exploration episodes: the adaptation and its graphs."""
    adaptation, graphs = made(settings)
    for name, value in options.pop("graph", {}).items():
        setattr(graphs["adapt"], name, value)
    for episode in range(4):
        run(adaptation, graphs, episode, **options)
    return adaptation, graphs


def decisions(adaptation: GradientAdaptation) -> dict[str, int]:
    figures = adaptation.summary().figures
    return {name: int(figures[name]) for name in DECISIONS if figures[name]}


def parameters(adaptation: GradientAdaptation) -> np.ndarray:
    return adaptation._now.parameters


# ---- how far a step leads ----------------------------------------------------------------------


def test_gk1_a_step_within_the_divergence_is_taken_whole():
    adaptation, graphs = explored()
    belief = adaptation.summary()

    assert decisions(adaptation) == {"taken": 1}
    assert (parameters(adaptation) == 1.0).all()
    assert graphs["adapt"].runs == 1
    assert belief.kl_from_prior == pytest.approx(0.25)
    assert belief.figures["step_norm"] == pytest.approx(np.sqrt(PARAMETERS))
    assert belief.figures["num_episodes"] == 4.0
    assert belief.digest != made()[0].summary().digest


def test_gk1_a_step_that_leads_too_far_is_scaled_until_it_is_just_within():
    adaptation, _ = explored(graph={"nats": 100.0})  # one nat at a tenth of it

    assert decisions(adaptation) == {"shortened": 1}
    np.testing.assert_allclose(parameters(adaptation), 0.1, rtol=1e-4)
    assert 0.999 < adaptation.summary().kl_from_prior <= 1.0


def test_gk1_the_divergence_is_from_what_was_trained_and_not_from_the_step_before():
    """Two steps, a quarter of a nat and then one: from there no part of the third is allowed."""
    settings = replace(SETTINGS, num_exploration_episodes=12, num_inner_steps=3, max_fall=1e6)
    adaptation, graphs = made(settings)
    for episode in range(12):
        run(adaptation, graphs, episode)

    assert decisions(adaptation) == {"taken": 2, "out_of_reach": 1}
    assert adaptation.summary().kl_from_prior == 1.0
    assert (parameters(adaptation) == 2.0).all()


def test_gk1_where_no_part_of_a_step_is_within_none_is_taken():
    def propose(scale: float) -> Stepped:
        return Stepped(np.full(2, scale, np.float32), 3.0 + scale)

    assert guarded_step(propose, 1.0) == ("out_of_reach", None)


# ---- what no step is taken on ------------------------------------------------------------------


def test_gk2_too_few_episodes_leave_every_bit():
    adaptation, graphs = made()
    for episode in range(4):
        run(adaptation, graphs, episode, share=1.0 if episode < 2 else 0.4)  # mostly missing

    assert decisions(adaptation) == {"too_few_episodes": 1}
    assert not parameters(adaptation).any()
    assert graphs["adapt"].runs == 0
    adaptation, graphs = made()
    for episode in range(4):
        run(adaptation, graphs, episode, share=1.0 if episode < 3 else 0.0)
    assert decisions(adaptation) == {"taken": 1}
    assert adaptation.summary().figures["num_episodes"] == 3.0


def test_gk2_without_any_evidence_nothing_happens():
    adaptation, graphs = explored(share=0.0)

    assert decisions(adaptation) == {"too_few_episodes": 1}
    assert graphs["adapt"].runs == 0


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_gk3_a_value_that_is_not_finite_leaves_every_bit(spoilt: float):
    adaptation, _ = explored(graph={"spoilt": spoilt})
    assert decisions(adaptation) == {"not_finite": 1}
    assert not parameters(adaptation).any()
    adaptation, graphs = explored(spoilt=True)  # an observation
    assert decisions(adaptation) == {"not_finite": 1}
    assert graphs["adapt"].runs == 0
    adaptation, _ = explored(graph={"nats": spoilt})
    assert decisions(adaptation) == {"not_finite": 1}
    assert not parameters(adaptation).any()


def test_gk4_what_is_raised_leaves_the_parameters_and_is_not_hidden():
    """A graph that cannot be run is no matter of numbers: whoever wants a step hears of it."""
    adaptation, graphs = made()
    for episode in range(3):
        run(adaptation, graphs, episode)
    graphs["adapt"].fails = True
    before = adaptation.memory
    with pytest.raises(RuntimeError, match="could not be run"):
        run(adaptation, graphs, 3)

    assert not parameters(adaptation).any()
    for name in ("parameters", "good_parameters", "reference", "decisions"):
        np.testing.assert_array_equal(adaptation.memory[name], before[name])
    graphs["adapt"].fails = False
    run(adaptation, graphs, 4)  # the trial goes on, on what it had
    assert not parameters(adaptation).any()


# ---- when a step is taken back -----------------------------------------------------------------


def test_gk5_a_return_that_falls_rolls_back_to_the_last_good_place():
    adaptation, graphs = explored(reward=1.0)
    good, adapted = made()[0].summary().digest, adaptation.summary().digest
    run(adaptation, graphs, 4, reward=1.0)
    assert adaptation.summary().digest == adapted  # as before
    run(adaptation, graphs, 5, reward=9.0)
    assert adaptation.summary().digest == adapted  # better
    run(adaptation, graphs, 6, reward=-1.0)

    belief = adaptation.summary()
    assert belief.digest == good
    assert decisions(adaptation) == {"taken": 1, "rolled_back": 1}
    assert belief.kl_from_prior == belief.figures["step_norm"] == 0.0
    run(adaptation, graphs, 7, reward=-5.0)  # there is nothing to take back any more
    assert decisions(adaptation) == {"taken": 1, "rolled_back": 1}


def test_gk5_a_fall_while_exploring_on_takes_the_step_before_back():
    settings = replace(SETTINGS, num_exploration_episodes=8, num_inner_steps=2)
    adaptation, graphs = made(settings)
    for episode in range(8):
        run(adaptation, graphs, episode, reward=1.0 if episode < 4 else -1.0)

    assert decisions(adaptation) == {"taken": 1, "rolled_back": 1}
    assert not parameters(adaptation).any()  # and none on what was explored from there


def test_gk5_the_margin_is_in_deviations():
    reference = Reference.of([0.0, 2.0, 4.0])  # 2 ± 2
    assert not reference.shows_fall(-1.9, max_fall=2.0)
    assert reference.shows_fall(-2.1, max_fall=2.0)
    assert Reference.of([1.0]) is None


def test_gk6_an_episode_that_was_mostly_missed_judges_nothing():
    adaptation, graphs = explored(reward=1.0)
    run(adaptation, graphs, 4, reward=-9.0, share=0.4)
    assert decisions(adaptation) == {"taken": 1}


# ---- what is remembered ------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [SETTINGS, LATENT], ids=["parameters", "latent"])
@pytest.mark.parametrize("num_episodes", [0, 2, 4, 5])
def test_gk7_a_memory_is_all_that_decides_what_follows(settings, num_episodes: int):
    """Also what may be rolled back to: the one who goes on does what the other would have."""
    one, graphs = made(settings)
    for episode in range(num_episodes):
        run(one, graphs, episode, reward=1.0)
    other, others = made(settings)
    other.memory = one.memory
    for episode in range(num_episodes, 6):
        for each, of in ((one, graphs), (other, others)):
            run(each, of, episode, reward=1.0 if episode < 5 else -3.0)
        assert one.summary().digest == other.summary().digest
        assert one.summary().figures == other.summary().figures
    assert "rolled_back" in decisions(one)
    for name, values in one.memory.items():
        np.testing.assert_array_equal(values, other.memory[name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parameters", [1.0, 2.0]),
        ("parameters", [np.nan] * PARAMETERS),
        ("parameters_step", [1.0]),
        ("good_parameters", [1e39] * PARAMETERS),
        ("reference", [1.0]),
        ("decisions", [1.0]),
        ("decisions", [0.5] * len(DECISIONS)),
        ("explored_observation", [1.0]),
        ("explored_tick", [-1.0] * 40),
        ("num_transitions", [-1.0]),
    ],
)
def test_gk7_a_memory_that_is_none_is_refused_and_changes_nothing(name: str, value: list[float]):
    adaptation, graphs = made()
    for episode in range(4):
        run(adaptation, graphs, episode)
    before = adaptation.memory
    with pytest.raises(BadInput, match="memory"):
        adaptation.memory = {**before, name: np.array(value)}
    for key, values in before.items():
        np.testing.assert_array_equal(values, adaptation.memory[key])


def test_gk8_a_place_is_told_to_the_policy_at_every_tick():
    adaptation, graphs = explored()
    shown = adaptation.fill(graphs["policy"].inputs, 4, 0)

    assert (graphs["policy"].inputs["parameters"] == 1.0).all()
    assert shown.size == 0  # parameters are not for people, and do not travel
    adaptation.reset(np.random.default_rng(0), TrialNoise(0))
    adaptation.fill(graphs["policy"].inputs, 0, 0)
    assert not graphs["policy"].inputs["parameters"].any()


def test_gk8_a_latent_is_drawn_for_an_episode_and_its_mean_acts_afterwards():
    adaptation, graphs = made(LATENT)
    drawn = []
    for episode in range(4):
        run(adaptation, graphs, episode)
        drawn.append(graphs["policy"].inputs["latent_noise"][0].copy())
    assert len(np.unique(drawn, axis=0)) == 4
    adaptation.begin_episode(4)
    shown = adaptation.fill(graphs["policy"].inputs, 4, 0)

    assert not graphs["policy"].inputs["latent_noise"].any()
    np.testing.assert_array_equal(shown, adaptation.summary().mean)
    assert decisions(adaptation) == {"taken": 1}


# ---- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"parameter_step": None}, "one of parameter_step and latent_step"),
        ({"latent_step": LATENT.latent_step}, "one of parameter_step and latent_step"),
        ({"takes_action_noise": False}, "takes_action_noise"),
        ({"num_inner_steps": 3}, "num_exploration_episodes"),
        ({"min_episodes": 5}, "min_episodes 5: 1 to 4"),
        ({"max_kl": 0.0}, "max_kl"),
        ({"max_fall": float("nan")}, "max_fall"),
        ({"discount": 1.5}, "discount"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], match: str):
    with pytest.raises(ValueError, match=match):
        replace(SETTINGS, **changes)


def test_words_say_what_guards_it():
    for settings in KIND.examples:
        assert f"{settings.max_kl:g} nats" in KIND.words(settings).card


def test_an_episode_that_does_not_end_fills_no_memory():
    adaptation, graphs = made()
    run(adaptation, graphs, 0)
    adaptation.begin_episode(1)
    row = np.zeros(OBSERVATION + ACTION + 1, np.float32)
    for tick in range(100):
        adaptation.fill(graphs["policy"].inputs, 1, tick)
        adaptation.observe(row)
    assert adaptation.memory["explored_reward"].size == 40
    assert adaptation.summary().num_transitions == 10 + 100
    adaptation.memory = adaptation.memory
