"""What is exported computes what torch computed, and says where it comes from."""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from sim2real.contract.errors import BadInput, WorkFailed
from sim2real.contract.manifest import TensorRecord
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.direct import open_direct
from sim2real.evaluation.hands import simulated_hand
from sim2real.evaluation.protocol import Condition, TrialProtocol
from sim2real.runtime import safety
from sim2real.runtime.bundle import MODEL_CARD, read_bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.golden import ENDS_EPISODE, NUM_TICKS, read_golden
from sim2real.runtime.kinds.gradient import GradientSettings
from sim2real.runtime.kinds.kind import Settings, Signature
from sim2real.runtime.kinds.recurrent_belief import RecurrentBeliefSettings
from sim2real.runtime.kinds.registry import KINDS, REHEARSED, signatures
from sim2real.runtime.noise import ACTION_NOISE, CELL_NOISE, LATENT_NOISE, TrialNoise
from sim2real.runtime.policy_runner import TrialLabels
from sim2real.runtime.verify import load_bundle
from sim2real.skills.registry import make_skill
from sim2real.skills.valve_turn import ValveTurn
from training.algorithms.learner import TrainingSetup, deployed_actor
from training.algorithms.pearl import Pearl, PearlConfig
from training.algorithms.pearl_search import PearlSearch
from training.algorithms.registry import ALGORITHMS
from training.algorithms.settings import ExplorationSettings
from training.benches.bench_tasks import bench_task
from training.benches.evaluate_bundle import evaluate
from training.benches.options import Options
from training.evaluation.meta_test import meta_test
from training.export.adaptation_curve import CURVE
from training.export.export_run import (
    as_trained,
    card_files,
    export_run,
    flat_results,
)
from training.export.make_bundle import (
    Origin,
    ParityError,
    graph_inputs,
    make_draft,
    skill_reference,
)
from training.export.model_card import Story, model_card
from training.export.to_onnx import require_torch_gru, to_onnx
from training.export.untrained import untrained_draft, untrained_parts
from training.families.outside import is_claw
from training.families.registry import FAMILIES, claw_family
from training.families.valve import VALVE_TURN
from training.parts.gradient_actor import GradientActor
from training.parts.recurrent_actor import RecurrentActor
from training.recipes.registry import RECIPES, with_settings
from training.tasks.task_set import TaskSet, draw_task_set

SPEC = load_robot_spec()
STILL = KINDS["none"].examples[0]


def small_parts(settings: Settings = REHEARSED):
    return untrained_parts(
        VALVE_TURN.scene, settings=settings, hidden_sizes=(32, 32), encoder_hidden_sizes=(32, 32)
    )


def test_parity_is_measured_and_far_within_its_bound(every_bundle):
    bundle = read_bundle(every_bundle)

    roles = {graph.role for graph in bundle.manifest.graphs}
    assert roles == set(signatures(bundle.manifest, bundle.settings()))
    for graph in bundle.manifest.graphs:
        assert 0.0 <= graph.max_parity_error <= 1e-5


def test_golden_vectors_hold_what_torch_computes(every_bundle):
    bundle = read_bundle(every_bundle)
    golden = read_golden(bundle.files["golden.npz"], bundle.manifest, "golden.npz")
    entered = graph_inputs(bundle, golden, SPEC)["policy"]
    policy = small_parts(bundle.settings()).modules["policy"]

    with torch.no_grad():
        action = policy(*map(torch.from_numpy, entered.values())).numpy()

    acted = golden["event"] != ENDS_EPISODE
    assert len(action) == acted.sum() > 0.9 * NUM_TICKS
    np.testing.assert_array_equal(entered["observation"], golden["observation"][acted])
    np.testing.assert_allclose(golden["action"][acted], action, atol=1e-5)
    assert np.abs(golden["action"]).max() > 0.3  # a policy that does nothing shows nothing
    if golden["shown"].size:
        roles = {graph.role for graph in bundle.manifest.graphs}
        # Learnt in ticks, or one of those that are known, or one for each episode: what was
        # explored, adapted, explored again.
        least = 101 if roles & {"encoder", "recurrent"} else 2 if "decoder" in roles else 4
        assert len(np.unique(golden["shown"], axis=0)) >= least
    if "adapt" in {graph.role for graph in bundle.manifest.graphs}:
        parameters = graph_inputs(bundle, golden, SPEC)["policy"]["parameters"]
        assert len(np.unique(parameters, axis=0)) > 1  # an adaptation is among the ticks


def test_torch_and_onnx_that_differ_are_not_exported(monkeypatch):
    export = to_onnx

    def with_other_weights(module, signature):
        with torch.no_grad():
            next(module.parameters()).add_(0.01)
        content = export(module, signature)
        with torch.no_grad():
            next(module.parameters()).sub_(0.01)
        return content

    monkeypatch.setattr("training.export.make_bundle.to_onnx", with_other_weights)

    with pytest.raises(ParityError, match="policy"):
        untrained_draft(small_parts())


def test_equal_weights_give_equal_files_without_a_trace_of_the_machine():
    first, second = untrained_draft(small_parts()), untrained_draft(small_parts())

    assert first.files == second.files
    assert first.manifest == second.manifest
    for name in ("policy.onnx", "encoder.onnx"):
        content = first.files[name]
        assert str(Path.cwd()).encode() not in content
        assert b".py" not in content
        (version,) = onnx.load_model_from_string(content).opset_import
        assert (version.domain, version.version) == ("", 20)


def test_a_module_of_another_shape_is_not_exported():
    def row(name: str, size: int) -> TensorRecord:
        return TensorRecord(name=name, dtype="float32", shape=(1, size))

    signature = Signature((row("observation", 3),), (row("action", 2),))

    with pytest.raises(ValueError, match="outputs"):
        to_onnx(nn.Linear(3, 4), signature)


def gru(**attributes: int) -> onnx.GraphProto:
    """A graph of one GRU: 2 inputs, 3 hidden."""
    node = onnx.helper.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=3, **attributes)
    shapes = {"x": (1, 1, 2), "w": (1, 9, 2), "r": (1, 9, 3), "y": (1, 1, 1, 3)}
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    return onnx.helper.make_graph([node], "g", inputs[:3], inputs[3:])


@pytest.mark.parametrize("attributes", [{"linear_before_reset": 0}, {}])
def test_a_gru_that_resets_before_it_multiplies_is_not_exported(attributes):
    with pytest.raises(ValueError, match="linear_before_reset"):
        require_torch_gru(gru(**attributes))


def test_exported_grus_multiply_before_they_reset(exported_bundles):
    bundle = read_bundle(exported_bundles("recurrent_belief"))
    graph = onnx.load_model_from_string(bundle.files["recurrent.onnx"]).graph

    assert "GRU" in {node.op_type for node in graph.node}
    require_torch_gru(graph)
    require_torch_gru(gru(linear_before_reset=1))


def test_golden_vectors_that_show_no_hidden_state_are_not_exported(monkeypatch):
    frozen = property(lambda _: True, lambda *_: None)
    monkeypatch.setattr(Controller, "is_frozen", frozen, raising=False)

    with pytest.raises(ParityError, match="hidden is zero throughout"):
        untrained_draft(small_parts(KINDS["recurrent_belief"].examples[0]))


def num_episodes_of(algorithm: str) -> int:
    """Of a trial. A baseline that has more features than there are steps leaves advantages of
    rounding alone, which then decide where a step leads."""
    explores = issubclass(ALGORITHMS[algorithm].config_type, ExplorationSettings)
    return 5 if explores else 3


def barely_trained_learner(algorithm: str, task_set: TaskSet):
    """Random weights, but large enough for actions to matter; statistics that are not 0 and 1."""
    learner_type = ALGORITHMS[algorithm]
    setup = TrainingSetup(
        family=VALVE_TURN,
        task_set=task_set,
        seed=0,
        device=torch.device("cpu"),
        num_trial_episodes=num_episodes_of(algorithm),
    )
    changes = {"normalizes_observations": True}
    if issubclass(learner_type.config_type, ExplorationSettings):
        # Little noise: no hand is stopped for it.
        changes |= {"num_exploration_episodes": setup.num_trial_episodes - 1}
        changes |= {"initial_log_std": -2.0}
    learner = learner_type(replace(learner_type.config_type.smallest(), **changes), setup)
    with torch.no_grad():
        weights = [part for part in learner.policy.parameters() if part.dim() == 2]
        weights[-1].mul_(100.0)
    if isinstance(learner, PearlSearch):  # it has met no task, and so knows no latent
        latents = torch.linspace(-1.0, 1.0, 2 * learner.config.latent_size).reshape(2, -1)
        learner.hypotheses = lambda: latents
    rng = np.random.default_rng(0)
    observations = rng.normal(0.1, 0.5, (100, VALVE_TURN.scene.observation_size))
    learner.state.statistics.update(observations.astype(np.float32))
    return learner


def of_the_robot(actor, seed: int):
    """The actor of one world, with the noise that a robot's trial has."""
    noise, place = TrialNoise(seed), [-1, 0]
    if isinstance(actor, RecurrentActor):
        size, counted = actor._cell_noise_size, itertools.count()
        actor._cell_noise = lambda: torch.from_numpy(
            noise.draw(CELL_NOISE, (next(counted),), size)
        )[None]
    if not isinstance(actor, GradientActor):
        return actor

    def begin_episode(starts, begin=actor.begin_episode):
        place[:] = place[0] + 1, -1
        begin(starts)

    def act(observation, act=actor.act):
        place[1] += 1
        return act(observation)

    def drawn(size: int) -> torch.Tensor:
        if place[1] < 0:  # for the episode
            return torch.from_numpy(noise.draw(LATENT_NOISE, tuple(place[:1]), size))[None]
        return torch.from_numpy(noise.draw(ACTION_NOISE, tuple(place), size))[None]

    actor.begin_episode, actor.act, actor._unit_noise = begin_episode, act, drawn
    return actor


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_evaluation_through_the_bundle_is_evaluation_through_torch(algorithm):
    always = ALGORITHMS[algorithm].why_not_deployable  # of some algorithms it depends on settings
    if isinstance(always, str) and always:
        pytest.skip(always)
    task_set = draw_task_set(VALVE_TURN, seed=1, num_train=2, num_test=2)
    learner = barely_trained_learner(algorithm, task_set)
    if learner.why_not_deployable:
        pytest.skip(learner.why_not_deployable)
    provenance = untrained_draft(small_parts(STILL)).manifest.provenance
    origin = Origin(name="valve_turn", provenance=provenance)
    deployed = learner.deployed()
    steps = isinstance(deployed.settings, GradientSettings)
    if steps:  # weights this large step far
        deployed = replace(deployed, settings=replace(deployed.settings, max_kl=1e6))
    draft = make_draft(deployed, VALVE_TURN.scene, task_set, origin)
    protocol = TrialProtocol(num_episodes=num_episodes_of(algorithm), num_trials=1, seed=3)

    for task in task_set.test:
        seeds, latent_seed = protocol.episode_seeds(), protocol.common_latent_seed()
        through_torch = meta_test(
            lambda of: of_the_robot(deployed_actor(learner)(of), protocol.common_latent_seed()),
            VALVE_TURN,
            [task],
            protocol,
            conditions=[Condition.ADAPTED],
        )
        expected = through_torch.episodes[Condition.ADAPTED]
        on_bench = bench_task(VALVE_TURN.scene, task, row=0)
        labels = TrialLabels(robot="simulated", task=task.name, condition="adapted", trial=0)
        with (
            simulated_hand(SPEC, on_bench, VALVE_TURN.scene.control_period_s) as hand,
            open_direct(hand, draft.as_bundle(), SPEC) as session,
        ):
            session.begin_trial(seed=latent_seed, labels=labels)
            found = [session.run_episode(on_bench.plan(seed)) for seed in seeds]
        returns = [result.total_reward for result in found]
        wanted = expected["dense_return"][0, 0]
        # Where noise is, fingers touch, and contacts make more of what is 1e-6 apart; with other
        # noise returns differ by several, and so does an episode that was not adapted.
        np.testing.assert_allclose(returns[:-1], wanted[:-1], atol=1e-2 if steps else 1e-3)
        np.testing.assert_allclose(returns[-1], wanted[-1], atol=0.1 if steps else 1e-3)
        fractions = [result.success_fraction for result in found]
        exactly = slice(-1) if steps else slice(None)
        np.testing.assert_allclose(fractions[exactly], expected["success_fraction"][0, 0, exactly])
        succeeded = [result.is_success for result in found]
        assert succeeded[exactly] == list(expected["success"][0, 0, exactly])
        assert len(set(returns)) == protocol.num_episodes  # they do differ


@pytest.mark.parametrize("name", [name for name in FAMILIES if is_claw(FAMILIES[name])])
def test_every_familys_skill_is_made_again_from_what_a_manifest_says(name):
    skill = FAMILIES[name].scene.skill

    assert make_skill(skill_reference(skill, 9), 9, "manifest") == skill


def test_a_skill_with_settings_that_no_manifest_keeps_is_not_exported():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Careful(ValveTurn):
        care: str = "much"

    with pytest.raises(ValueError, match="only settings that are a number or a flag"):
        skill_reference(Careful(), 9)


def test_the_skill_is_made_again_with_its_settings():
    skill = replace(VALVE_TURN.scene.skill, success_error_rad=0.25)  # type: ignore[type-var]
    scene = replace(VALVE_TURN.scene, skill=skill)
    draft = untrained_draft(small_parts(STILL))
    task_set = draw_task_set(VALVE_TURN, seed=0, num_train=1, num_test=2)
    origin = Origin(name="valve_turn", provenance=draft.manifest.provenance)

    bundle = make_draft(small_parts(STILL), scene, task_set, origin).as_bundle()

    assert bundle.skill() == skill


# ---- cards and verbs ---------------------------------------------------------------------------


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 1.0, "high": mean + 0.5}


def metrics(mean: float) -> dict[str, dict[str, float]]:
    return {name: interval(mean) for name in ("return", "success", "success_fraction")}


SUMMARY = {
    "tasks": 20,
    "trials": 2,
    "episodes": 2,
    "conditions": {
        "adapted": metrics(7.25),
        "episode_0": metrics(2.5),
        "frozen_prior": metrics(1.75),
        "wrong_task": metrics(-3.5),
    },
    "adapted_by_episode": [metrics(2.5), metrics(7.25)],
}


def test_the_card_says_what_was_measured(exported_bundles):
    manifest = read_bundle(exported_bundles()).manifest

    files = card_files(Story(), manifest, SUMMARY)

    card = files[MODEL_CARD].decode()
    assert "7.25 [6.25, 7.75]" in card
    assert "-3.50 [-4.50, -3.00]" in card
    assert manifest.provenance.task_set_sha256 in card
    assert f"]({CURVE})" in card
    figure = ElementTree.fromstring(files[CURVE])
    circles = [float(item.attrib["cy"]) for item in figure.iter() if item.tag.endswith("circle")]
    assert len(circles) == 2
    assert circles[1] < circles[0]  # up is better
    assert "![" not in card_files(Story(), manifest, None)[MODEL_CARD].decode()


def test_the_card_says_what_has_to_be_inferred_and_what_was_privileged(exported_bundles):
    manifest = read_bundle(exported_bundles()).manifest
    assert not manifest.skill.target_visible

    def card(story):
        return model_card(story, manifest, None)

    fixed = card(Story(has_fixed_goal=True))
    assert "inferred" not in fixed and "the same in every task" in fixed
    assert "has to be inferred from the reward" in card(Story())
    assert "environment steps; its eye was told" in card(Story(taught="its eye was told"))


def test_results_go_into_the_manifest_by_name():
    results = flat_results(SUMMARY)

    assert results["tasks"] == 20.0
    assert results["adapted/return"] == 7.25
    assert results["wrong_task/success/low"] == -4.5
    assert results["episode_1/return/high"] == 7.75


def test_a_family_that_no_robot_meets_is_refused():
    with pytest.raises(BadInput, match="a family of a hand"):
        claw_family("point_robot", "run")
    with pytest.raises(BadInput, match="a family of a hand"):
        claw_family("juggling", "run")


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory):
    """A run of PEARL that was stopped almost at once."""
    from training.recipes.recipe import Recipe
    from training.runs.start import start_run

    directory = tmp_path_factory.mktemp("runs") / "run"
    config = PearlConfig(
        hidden_sizes=(16,),
        encoder_hidden_sizes=(16,),
        num_initial_steps=30,
        tasks_per_iteration=2,
        num_prior_steps=30,
        num_extra_steps=0,
        num_gradient_steps=2,
        meta_batch_size=2,
        batch_size=8,
        context_batch_size=8,
    )
    recipe = Recipe(
        algorithm="pearl",
        family="valve_turn",
        config=config,
        num_train_tasks=2,
        num_test_tasks=2,
        num_iterations=1,
        num_trial_episodes=2,
        num_evaluation_trials=1,
        evaluation_interval=1,
        checkpoint_interval=1,
    )
    start_run(recipe, name="tiny", seed=4, directory=directory, is_quiet=True)
    return directory


def test_a_run_becomes_a_bundle_that_verifies_and_can_be_evaluated(run_directory, tmp_path, capsys):
    export_run(run_directory, tmp_path / "tiny")

    bundle = load_bundle(tmp_path / "tiny", SPEC)
    manifest = bundle.manifest
    assert manifest.provenance.recipe == "tiny"
    assert manifest.provenance.seed == 4
    assert manifest.provenance.environment_steps >= 60
    assert set(bundle.files) >= {"policy.onnx", "encoder.onnx", "tasks.json", MODEL_CARD, CURVE}
    out = tmp_path / "results"

    assert evaluate(tmp_path / "tiny", "simulated", Options(out=out, num_episodes=2)) == 0

    document = json.loads((out / "results.json").read_text())
    assert document["robot"] == "simulated"
    assert document["tasks"] == document["episodes"] == 2
    assert set(document["conditions"]) == {"adapted", "episode_0", "frozen_prior", "wrong_task"}
    for condition, metrics_of in document["conditions"].items():
        for metric in ("success", "return"):
            value = metrics_of[metric]
            assert value["low"] <= value["mean"] <= value["high"]
            assert manifest.results[f"{condition}/{metric}"] == value["mean"]
    assert document["latency_s"]["compute"]["p50"] > 0
    assert document["evidence"]["accepted"] == 2 * 2 * manifest.episode_length
    assert "test-1.adapted.0.mcap" in document["recordings"]
    shown = capsys.readouterr().out
    assert "adapted, episode 1" in shown
    assert "wrong task" in shown


def test_a_bundle_is_compared_with_one_that_does_not_adapt(exported_bundles, tmp_path):
    adapting, robust = exported_bundles(), exported_bundles("none")

    one = Options(num_episodes=1, quiet=True)
    evaluate(adapting, options=replace(one, out=tmp_path / "both", robust=robust))
    evaluate(robust, options=replace(one, out=tmp_path / "robust"))

    document = json.loads((tmp_path / "both" / "results.json").read_text())
    alone = json.loads((tmp_path / "robust" / "results.json").read_text())
    assert document["conditions"]["robust"] == alone["conditions"]["adapted"]
    with pytest.raises(BadInput, match="expected none"):
        evaluate(robust, options=Options(robust=adapting))


def test_the_card_names_the_command_that_trained():
    recipe = RECIPES["pearl-point-robot"]()
    config = replace(recipe.config, hidden_sizes=(8, 8))
    changed = replace(recipe, num_iterations=3, config=config)

    assert as_trained("pearl-point-robot", recipe) == "pearl-point-robot"
    assert as_trained("home-made", recipe) == "home-made"
    command = as_trained("pearl-point-robot", changed)
    assert command == "pearl-point-robot --settings num_iterations=3 hidden_sizes=8,8"
    settings = command.split(" --settings ")[1].split()
    assert with_settings("pearl-point-robot", settings) == changed


@pytest.mark.parametrize("options", [{"num_tasks": 0}, {"num_trials": 0}, {"num_episodes": -1}])
def test_nothing_to_measure_is_bad_input(exported_bundles, options):
    with pytest.raises(BadInput, match="at least 1"):
        evaluate(exported_bundles("none"), options=Options(**options))


@pytest.mark.parametrize(
    "setting",
    [
        "latent_source=periodic_sample",
        "resample_every_ticks=3",
        "latent_source=luck",
        "courage=1",
        "courage",
    ],
)
def test_settings_of_the_adaptation_that_do_not_fit_are_refused(run_directory, tmp_path, setting):
    with pytest.raises(BadInput, match="--adaptation"):
        export_run(run_directory, tmp_path / "bundle", adaptation=(setting,))

    assert not (tmp_path / "bundle").exists()


def test_a_recurrent_belief_is_told_how_long_its_trials_were():
    for kind in KINDS.values():
        for settings in kind.examples:
            told = kind.trained_on(settings, 3)
            if isinstance(settings, RecurrentBeliefSettings):
                assert kind.trained_episodes(told) == told.num_trained_episodes == 3
            else:
                assert told == settings
                assert kind.trained_episodes(told) == 0


def test_a_policy_under_which_a_robot_would_stop_becomes_no_bundle(
    run_directory, tmp_path, monkeypatch
):
    monkeypatch.setattr(safety, "POSITION_MARGIN_RAD", -1.0)  # all that is measured is too far

    with pytest.raises(WorkFailed, match=r"a robot would have stopped .*: position \[") as failed:
        export_run(run_directory, tmp_path / "bundle")

    assert "\n" not in str(failed.value)
    assert not (tmp_path / "bundle").exists()


def test_an_oracle_is_not_exported(run_directory, tmp_path, monkeypatch):
    monkeypatch.setattr(Pearl, "why_not_deployable", "it must be told the true task")

    with pytest.raises(BadInput, match="told the true task"):
        export_run(run_directory, tmp_path / "oracle")

    assert not (tmp_path / "oracle").exists()
