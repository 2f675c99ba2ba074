"""Conditions differ in what the belief may know, and in nothing else; nothing finished is lost."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager

import pytest

from sim2real.evaluation.evaluate import Evaluation
from sim2real.evaluation.journal import Journal
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.results import results_document
from sim2real.evaluation.schedule import schedule
from sim2real.evaluation.session import EpisodeFault
from tests.evaluation.fakes import FakeBench, bench_task, header

TASKS = [bench_task("test/0", 1.0), bench_task("test/1", 2.0), bench_task("test/2", 3.0)]


def evaluation(
    bench: FakeBench, protocol: TrialProtocol, tasks=TASKS, folder=None, *, robust=False, **options
) -> Evaluation:
    head = header(tasks, num_episodes=protocol.num_episodes, num_trials=protocol.num_trials)
    return Evaluation(
        robot="simulated",
        tasks=tasks,
        bundles={"evaluated": "main"} | ({"robust": "robust"} if robust else {}),
        protocol=protocol,
        open_session=bench.open,
        journal=Journal(head) if folder is None else Journal.resume(folder, head),
        **options,
    )


def episodes(bench: FakeBench, condition: str) -> dict[tuple, tuple]:
    """By task, trial and episode: seed of the start, of the latents, memory, frozen, bundle."""
    found = [row for row in bench.log if row[1] == condition]
    assert len({(row[0], *row[2:4]) for row in found}) == len(found), "run twice"
    return {(row[0], *row[2:4]): row[4:] for row in found}


def test_a_trial_begins_with_the_prior_and_learns_from_every_episode():
    bench = FakeBench()

    assert evaluation(bench, TrialProtocol(num_episodes=3)).run()

    adapted = episodes(bench, "adapted")
    for task in TASKS:
        seeds = [adapted[task.name, 0, episode][0] for episode in range(3)]
        for episode in range(3):
            _, _, known, is_frozen, _ = adapted[task.name, 0, episode]
            assert known == seeds[:episode]
            assert not is_frozen


def test_the_last_episode_is_compared_with_ones_that_start_alike():
    bench, protocol = FakeBench(), TrialProtocol(num_episodes=3, num_trials=2)

    evaluation(bench, protocol, robust=True).run()

    adapted = episodes(bench, "adapted")
    for condition in ("frozen_prior", "wrong_task", "robust"):
        compared = episodes(bench, condition)
        assert len(compared) == len(TASKS) * protocol.num_trials
        for place, (start, latents, *_) in compared.items():
            assert (start, latents) == adapted[place][:2]


def test_conditions_know_what_they_may_know():
    bench = FakeBench()

    evaluation(bench, TrialProtocol(num_episodes=3), robust=True).run()

    adapted = episodes(bench, "adapted")
    for index, task in enumerate(TASKS):
        place = (task.name, 0, 2)
        other = TASKS[index - 1].name
        _, _, known, is_frozen, bundle = episodes(bench, "frozen_prior")[place]
        assert (known, is_frozen, bundle) == ([], True, "main")
        _, _, known, is_frozen, bundle = episodes(bench, "wrong_task")[place]
        assert (known, is_frozen, bundle) == (adapted[other, 0, 2][2], True, "main")
        _, _, known, is_frozen, bundle = episodes(bench, "robust")[place]
        assert (known, is_frozen, bundle) == ([], False, "robust")


def test_only_the_first_task_comes_back_to_the_bench():
    visits = schedule([task.name for task in TASKS], TrialProtocol(), has_robust=False)

    assert [visit.task_index for visit in visits] == [0, 1, 2, 0]


def test_one_task_has_no_wrong_one():
    bench = FakeBench()

    assert evaluation(bench, TrialProtocol(num_episodes=2), TASKS[:1]).run()

    assert {row[1] for row in bench.log} == {"adapted", "frozen_prior"}


def test_one_episode_is_its_own_first_and_the_wrong_task_has_taught_nothing():
    bench = FakeBench()

    assert evaluation(bench, TrialProtocol(num_episodes=1)).run()

    assert all(known == [] for _, _, known, *_ in episodes(bench, "wrong_task").values())


class Killed(BaseException):
    """As a signal that nobody can handle."""


@pytest.mark.parametrize("num_before", range(16))
def test_whenever_it_was_killed_it_goes_on_to_the_same_end(tmp_path, num_before):
    protocol = TrialProtocol(num_episodes=3)
    whole, bench = FakeBench(), FakeBench()
    uninterrupted = evaluation(whole, protocol)
    assert uninterrupted.run()

    @contextmanager
    def killed_in_the_middle(task, bundle):
        with bench.open(task, bundle) as session:
            run_episode = session.run_episode

            def run(plan):
                if len(bench.log) == num_before:
                    raise Killed
                return run_episode(plan)

            session.run_episode = run
            yield session

    first = evaluation(bench, protocol, folder=tmp_path)
    first = dataclasses.replace(first, open_session=killed_in_the_middle)
    if num_before < len(whole.log):
        with pytest.raises(Killed):
            first.run()
    else:
        assert first.run()

    again = evaluation(bench, protocol, folder=tmp_path)
    assert len(again.missing()) == len(whole.log) - min(num_before, len(whole.log))
    assert again.run()

    assert bench.log == whole.log
    assert again.journal.records == uninterrupted.journal.records


def test_a_fault_stops_it_and_loses_nothing(tmp_path):
    bench, protocol = FakeBench(fails_at=(4,)), TrialProtocol(num_episodes=3)
    stopped = evaluation(bench, protocol, folder=tmp_path)

    assert not stopped.run()

    assert [record.outcome for record in stopped.journal.records] == ["completed"] * 4 + ["fault"]
    assert stopped.journal.records[-1].reason == "overload"
    again = evaluation(bench, protocol, folder=tmp_path)
    assert again.run()
    document = results_document(again.journal.header, again.journal.records)
    assert document["interventions"] == 1
    assert document["faults"][0]["reason"] == "overload"
    whole = evaluation(FakeBench(), protocol)
    whole.run()
    completed = [record for record in again.journal.records if record.is_completed]
    assert completed == whole.journal.records


def test_after_a_fault_the_next_task_comes_and_the_rest_at_the_end():
    bench = FakeBench(fails_at=(1,))
    one = evaluation(bench, TrialProtocol(num_episodes=2), max_faults=2)

    assert one.run()

    tasks = [row[0] for row in bench.log]
    assert tasks[:3] == ["test/0", "test/0", "test/1"]
    assert not one.missing()
    assert [record.outcome for record in one.journal.records].count("fault") == 1


def test_faults_that_do_not_end_end_the_evaluation():
    bench = FakeBench(fails_at=tuple(range(100)))
    one = evaluation(bench, TrialProtocol(num_episodes=2), max_faults=3)

    assert not one.run()
    assert len(bench.log) == 3


def test_a_bench_that_cannot_be_made_ready_is_a_fault():
    @contextmanager
    def unplugged(task, bundle):
        raise EpisodeFault("port_lost", "the port is gone")
        yield

    bench = FakeBench()
    bench.open = unplugged
    one = evaluation(bench, TrialProtocol(num_episodes=2))

    assert not one.run()
    (record,) = one.journal.records
    assert (record.outcome, record.reason) == ("fault", "the port is gone")


def test_every_task_draws_latents_of_its_own():
    bench = FakeBench()

    evaluation(bench, TrialProtocol(num_episodes=2, num_trials=2)).run()

    latents = {place[:2]: latent for place, (_, latent, *_) in episodes(bench, "adapted").items()}
    assert len(set(latents.values())) == len(latents) == 2 * len(TASKS)


def test_protocols_without_episodes_are_refused():
    with pytest.raises(ValueError, match="episode"):
        TrialProtocol(num_episodes=0)
    with pytest.raises(ValueError, match="trial"):
        TrialProtocol(num_trials=0)
