"""What is exported computes what torch computed, and says where it comes from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import TensorRecord
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.direct import open_direct
from sim2real.evaluation.hands import simulated_hand
from sim2real.runtime.bundle import MODEL_CARD, read_bundle
from sim2real.runtime.golden import ENDS_EPISODE, NUM_TICKS, read_golden
from sim2real.runtime.graphs import Signature
from sim2real.runtime.policy_runner import TrialLabels
from sim2real.runtime.verify import load_bundle
from training.algorithms.pearl import Pearl, PearlConfig
from training.algorithms.registry import ALGORITHMS
from training.algorithms.rl2 import Rl2Config
from training.algorithms.sac import SacConfig
from training.benches.bench_tasks import bench_task, claw_family
from training.benches.evaluate_bundle import evaluate
from training.benches.options import Options
from training.evaluation.meta_test import MetaTestProtocol, meta_test
from training.export.adaptation_curve import CURVE
from training.export.export_run import as_trained, card_files, export_run, flat_results
from training.export.make_bundle import Origin, ParityError, make_draft
from training.export.to_onnx import to_onnx
from training.export.untrained import untrained_draft, untrained_parts
from training.families.valve import VALVE_TURN
from training.recipes.registry import RECIPES, with_settings
from training.tasks.task_set import TaskSet, draw_task_set

SPEC = load_robot_spec()
KINDS = ("none", "gaussian_belief", "recurrent_belief")


def small_parts(kind: str = "gaussian_belief"):
    return untrained_parts(
        VALVE_TURN.scene,
        kind=kind,  # type: ignore[arg-type]
        hidden_sizes=(32, 32),
        encoder_hidden_sizes=(32, 32),
        hidden_size=16,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_parity_is_measured_and_far_within_its_bound(exported_bundles, kind):
    manifest = read_bundle(exported_bundles(kind)).manifest

    assert {graph.role for graph in manifest.graphs} == {
        "none": {"policy"},
        "gaussian_belief": {"policy", "encoder"},
        "recurrent_belief": {"policy", "recurrent"},
    }[kind]
    for graph in manifest.graphs:
        assert 0.0 <= graph.max_parity_error <= 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_golden_vectors_hold_what_torch_computes(exported_bundles, kind):
    bundle = read_bundle(exported_bundles(kind))
    golden = read_golden(bundle.files["golden.npz"], bundle.manifest, "golden.npz")
    policy = small_parts(kind).modules["policy"]
    condition = () if kind == "none" else (torch.from_numpy(golden["condition"]),)

    with torch.no_grad():
        action = policy(torch.from_numpy(golden["observation"]), *condition).numpy()

    acted = golden["event"] != ENDS_EPISODE
    assert acted.sum() > 0.9 * NUM_TICKS
    np.testing.assert_allclose(golden["action"][acted], action[acted], atol=1e-5)
    assert np.abs(golden["action"]).max() > 0.3  # a policy that does nothing shows nothing
    if kind != "none":
        assert len(np.unique(golden["condition"], axis=0)) > 100


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


SMALL_CONFIGS = {
    "pearl": PearlConfig(
        hidden_sizes=(32, 32),
        encoder_hidden_sizes=(32, 32),
        tasks_per_iteration=1,
        normalizes_observations=True,
        num_exploration_episodes=2,
    ),
    "rl2": Rl2Config(hidden_size=16, hidden_sizes=(32,), num_trials=2, num_minibatches=1),
    "sac": SacConfig(hidden_sizes=(32, 32), num_worlds=1),
}


def barely_trained_learner(algorithm: str, task_set: TaskSet):
    """Random weights, but large enough for actions to matter; statistics that are not 0 and 1."""
    learner = ALGORITHMS[algorithm].learner_type(
        SMALL_CONFIGS[algorithm], VALVE_TURN, task_set, seed=0, device=torch.device("cpu")
    )
    with torch.no_grad():
        weights = [part for part in learner.policy.parameters() if part.dim() == 2]
        weights[-1].mul_(100.0)
    rng = np.random.default_rng(0)
    observations = rng.normal(0.1, 0.5, (100, VALVE_TURN.scene.observation_size))
    learner.statistics.update(observations.astype(np.float32))
    return learner


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_evaluation_through_the_bundle_is_evaluation_through_torch(algorithm):
    task_set = draw_task_set(VALVE_TURN, seed=1, num_train=2, num_test=2)
    learner = barely_trained_learner(algorithm, task_set)
    provenance = untrained_draft(small_parts("none")).manifest.provenance
    origin = Origin(name="valve_turn", provenance=provenance)
    draft = make_draft(learner.export_parts(), VALVE_TURN.scene, task_set, origin)
    protocol = MetaTestProtocol(num_episodes=3, num_trials=1, conditions=("adapted",), seed=3)

    for task in task_set.test:
        through_torch = meta_test(learner.make_adapter, VALVE_TURN, [task], protocol)
        expected = through_torch.episodes["adapted"]
        *seeds, latent_seed = np.random.SeedSequence(3).generate_state(4).tolist()
        on_bench = bench_task(VALVE_TURN.scene, task, row=0)
        labels = TrialLabels(robot="simulated", task=task.name, condition="adapted", trial=0)
        with (
            simulated_hand(SPEC, on_bench, VALVE_TURN.scene.control_period_s) as hand,
            open_direct(hand, draft.as_bundle(), SPEC) as session,
        ):
            session.begin_trial(seed=latent_seed, labels=labels)
            found = [session.run_episode(on_bench.plan(seed)) for seed in seeds]
        returns = [result.total_reward for result in found]
        np.testing.assert_allclose(returns, expected["dense_return"][0, 0], atol=1e-3)
        fractions = [result.success_fraction for result in found]
        np.testing.assert_allclose(fractions, expected["success_fraction"][0, 0])
        assert [result.is_success for result in found] == list(expected["success"][0, 0])
        assert len(set(returns)) == 3  # the episodes do differ


def test_the_skill_is_made_again_with_its_settings():
    skill = replace(VALVE_TURN.scene.skill, success_error_rad=0.25)  # type: ignore[type-var]
    scene = replace(VALVE_TURN.scene, skill=skill)
    draft = untrained_draft(small_parts("none"))
    task_set = draw_task_set(VALVE_TURN, seed=0, num_train=1, num_test=2)
    origin = Origin(name="valve_turn", provenance=draft.manifest.provenance)

    bundle = make_draft(small_parts("none"), scene, task_set, origin).as_bundle()

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
    manifest = read_bundle(exported_bundles("gaussian_belief")).manifest

    files = card_files(manifest, SUMMARY)

    card = files[MODEL_CARD].decode()
    assert "7.25 [6.25, 7.75]" in card
    assert "-3.50 [-4.50, -3.00]" in card
    assert manifest.provenance.task_set_sha256 in card
    assert f"]({CURVE})" in card
    figure = ElementTree.fromstring(files[CURVE])
    circles = [float(item.attrib["cy"]) for item in figure.iter() if item.tag.endswith("circle")]
    assert len(circles) == 2
    assert circles[1] < circles[0]  # up is better
    assert "![" not in card_files(manifest, None)[MODEL_CARD].decode()


def test_results_go_into_the_manifest_by_name():
    results = flat_results(SUMMARY)

    assert results["tasks"] == 20.0
    assert results["adapted/return"] == 7.25
    assert results["wrong_task/success/low"] == -4.5
    assert results["episode_1/return/high"] == 7.75


def test_a_family_that_no_robot_meets_is_refused():
    with pytest.raises(BadInput, match="a family of the claw"):
        claw_family("point_robot", "run")
    with pytest.raises(BadInput, match="a family of the claw"):
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
        num_iterations=1,
        num_initial_steps=30,
        tasks_per_iteration=2,
        num_prior_steps=30,
        num_extra_steps=0,
        num_gradient_steps=2,
        meta_batch_size=2,
        batch_size=8,
        context_batch_size=8,
        num_trial_episodes=2,
        evaluation_interval=1,
        checkpoint_interval=1,
    )
    recipe = Recipe(
        algorithm="pearl",
        family="valve_turn",
        config=config,
        num_train_tasks=2,
        num_test_tasks=2,
        num_evaluation_trials=1,
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
    adapting, robust = exported_bundles("gaussian_belief"), exported_bundles("none")

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
    changed = replace(recipe, config=replace(recipe.config, num_iterations=3, hidden_sizes=(8, 8)))

    assert as_trained("pearl-point-robot", recipe) == "pearl-point-robot"
    assert as_trained("home-made", recipe) == "home-made"
    command = as_trained("pearl-point-robot", changed)
    assert command == "pearl-point-robot --settings hidden_sizes=8,8 num_iterations=3"
    settings = command.split(" --settings ")[1].split()
    assert with_settings("pearl-point-robot", settings) == changed


@pytest.mark.parametrize("options", [{"num_tasks": 0}, {"num_trials": 0}, {"num_episodes": -1}])
def test_nothing_to_measure_is_bad_input(exported_bundles, options):
    with pytest.raises(BadInput, match="at least 1"):
        evaluate(exported_bundles("none"), options=Options(**options))


@pytest.mark.parametrize(
    "options", [{"latent_source": "periodic_sample"}, {"resample_every_ticks": 3}]
)
def test_a_period_goes_with_periodic_samples_only(run_directory, tmp_path, options):
    with pytest.raises(BadInput, match="--resample-every-ticks"):
        export_run(run_directory, tmp_path / "bundle", **options)


def test_an_oracle_is_not_exported(run_directory, tmp_path, monkeypatch):
    parts = Pearl.export_parts
    monkeypatch.setattr(
        Pearl, "export_parts", lambda learner: replace(parts(learner), task_vector_size=3)
    )

    with pytest.raises(BadInput, match="oracle"):
        export_run(run_directory, tmp_path / "oracle")

    assert not (tmp_path / "oracle").exists()
