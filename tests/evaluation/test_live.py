"""What a person sees while an evaluation goes on."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from sim2real.contract.quantity import Quantity
from sim2real.evaluation.live import LiveView, shown_belief
from sim2real.evaluation.results import results_document
from sim2real.evaluation.summary import show_results
from sim2real.runtime.kinds.kind import BeliefSummary
from tests.evaluation.fakes import bench_task, header
from tests.evaluation.test_journal import RECORD

BELIEVED = dataclasses.replace(
    RECORD,
    memory={
        "precision": (4.0, 100.0),
        "weighted_mean": (8.0, -100.0),
        "num_transitions": (30.0,),
    },
)


def console(*, is_terminal: bool) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=is_terminal,
        width=140,
        color_system=None,
        highlight=False,
    )


def test_elsewhere_than_on_a_terminal_every_episode_is_a_line():
    out = console(is_terminal=False)
    with LiveView(out) as view:
        view.task_begins(bench_task("test/0", 0.25))
        view.episode_ended(BELIEVED)
        view.episode_ended(
            dataclasses.replace(BELIEVED, outcome="fault", reason="overload [finger1_top]")
        )

    lines = out.file.getvalue().splitlines()
    assert lines[0] == "test/0  target_angle 0.25"
    assert "episode 0: return 0.30, success, 30 transitions, 3.25 nats" in lines[1]
    assert "+2.00±.50 -1.00±.10" in lines[1]
    assert lines[2].endswith("fault: overload [finger1_top]")
    assert len(lines) == 3


def test_on_a_terminal_it_shows_where_the_running_episode_stands():
    out = console(is_terminal=True)
    view = LiveView(out, num_episodes=7)
    view.task_begins(bench_task("test/0", 0.25))
    view.episode_ended(BELIEVED)
    view.step_taken(
        condition="wrong_task",
        episode=1,
        reward_so_far=-3.5,
        num_transitions=12,
        kl_from_prior=4.5,
        belief=BeliefSummary(np.array([0.5]), np.array([0.25])),
    )

    out.print(view.renderable())

    shown = out.file.getvalue()
    for part in ("target_angle 0.25", "wrong task", "-3.5", "+0.50±.25", "1 of 7 episodes"):
        assert part in shown


def test_telling_it_draws_nothing_on_the_teller_s_time(monkeypatch):
    view = LiveView(console(is_terminal=True))

    def drawn():
        pytest.fail("drawn")

    monkeypatch.setattr(view, "renderable", drawn)
    view.task_begins(bench_task("test/0"))
    view.episode_ended(BELIEVED)


def test_wide_beliefs_are_summed_up_and_none_is_nothing():
    wide = BeliefSummary(np.arange(12.0), np.full(12, 0.5))

    assert shown_belief(wide).endswith("and 7 more, sd 0.50")
    assert shown_belief(None) == ""


def test_a_belief_about_quantities_is_said_in_their_words_with_the_truth_of_the_task():
    told = {"hidden": (0.0,), "mean": (0.3123, 0.1), "num_transitions": (30.0,)}
    record = dataclasses.replace(
        RECORD, memory={**told, "log_variance": (2 * np.log(0.05), 2 * np.log(0.02))}
    )
    quantities = (
        Quantity(name="target_angle", unit="rad"),
        Quantity(name="valve_friction", unit="N m"),  # which the task on the bench does not say
    )
    for is_terminal, knows_truth in ((False, True), (True, True), (False, False), (True, False)):
        out = console(is_terminal=is_terminal)
        view = LiveView(out)
        view.quantities, view.knows_truth = quantities, knows_truth
        view.task_begins(bench_task("test/0", 0.25))
        view.episode_ended(record)
        believed = BeliefSummary(np.array([0.3123, 0.1]), np.array([0.05, 0.02]))
        view.step_taken(
            condition="adapted",
            episode=1,
            reward_so_far=0.0,
            num_transitions=31,
            kl_from_prior=1.0,
            belief=believed,
        )
        out.print(view.renderable())

        shown = out.file.getvalue()
        assert "target_angle 0.31 ± 0.05 rad" in shown
        assert ("(true 0.25)" in shown) == knows_truth
        assert "valve_friction 0.10 ± 0.02 N m\n" in shown or "N m;" in shown
        assert "+0.31±.05" not in shown


def test_the_outcome_names_what_was_not_measured_and_what_went_wrong():
    out = console(is_terminal=False)
    head = header(
        [bench_task("test/0")], num_episodes=1, not_available={"oracle": "nobody knows the task"}
    )
    fault = dataclasses.replace(RECORD, outcome="fault", reason="overload", evidence={})

    show_results(out, results_document(head, [fault, RECORD]))

    shown = out.file.getvalue()
    for part in (
        "adapted, episode 0",
        "oracle: not available: nobody knows the task",
        "fault: test/0, adapted, episode 0: overload",
        "interventions: 1",
        "2 stale reading",
        "30 transitions accepted; not: 1 late",
    ):
        assert part in shown
