"""`taskbelief export`: the latest checkpoint of a run to a verified, measured bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import Manifest, Provenance
from sim2real.contract.output_file import require_folder
from sim2real.contract.require import require_counts
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.contract.text_file import read_json
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.runtime.bundle import MODEL_CARD, TASKS, require_bundle_or_nothing, write_bundle
from sim2real.runtime.kinds.registry import kind_of, with_settings
from sim2real.runtime.verify import load_bundle
from training.benches.measure import measure
from training.export.adaptation_curve import CURVE, adaptation_curve
from training.export.make_bundle import Origin, make_draft
from training.export.model_card import Story, model_card
from training.families.registry import claw_family
from training.parts.checked import hints_of, shown
from training.recipes.recipe import Recipe
from training.recipes.registry import OF_A_DRAW, RECIPES, run_settings
from training.runs.start import load_learner, read_run
from training.worlds.goals import FixedGoal


def export_run(
    run: Annotated[Path, tyro.conf.Positional],
    bundle: Annotated[Path, tyro.conf.Positional],
    adaptation: tuple[str, ...] = (),
    num_tasks: int | None = None,
    num_trials: int = 1,
) -> None:
    """Export the latest checkpoint of RUN to the folder BUNDLE, measure it and write its card.

    Args:
        run: the directory of a training run on a family of the claw.
        bundle: the folder to write; a bundle that is there already is replaced.
        adaptation: settings of how behaviour changes with context, NAME=VALUE as the manifest has
            them, as in `latent_source=mean`.
        num_tasks: held-out tasks to measure on; all of them by default.
        num_trials: trials per task.
    """
    require_counts(num_tasks=num_tasks, num_trials=num_trials)
    require_folder(bundle, "BUNDLE")
    require_bundle_or_nothing(bundle)
    recipe, _, _, task_set = read_run(run)
    robot = load_robot_spec(Path(recipe.robot)) if recipe.robot else None
    family = claw_family(recipe.family, str(run), robot)
    learner = load_learner(run)
    if learner.why_not_deployable:
        reason, expected = learner.why_not_deployable, "a policy that a robot can run"
        raise BadInput(str(run), recipe.algorithm, found=reason, expected=expected)
    deployed = learner.deployed()
    settings = with_settings(deployed.settings, adaptation, "command line", "--adaptation")
    settings = kind_of(settings).trained_on(settings, recipe.num_trial_episodes)
    deployed = replace(deployed, settings=settings)
    provenance = _provenance(run, learner.state.num_environment_steps)
    origin = Origin(name=bundle.name, provenance=provenance)
    draft = make_draft(deployed, family.scene, task_set, origin)
    protocol = TrialProtocol(num_episodes=recipe.num_trial_episodes, num_trials=num_trials)
    summary = measure(draft.as_bundle(), family, task_set.test[:num_tasks], protocol)
    manifest = replace(draft.manifest, results=flat_results(summary))
    story = Story(has_fixed_goal=isinstance(family.scene.goal, FixedGoal), taught=deployed.taught)
    digest = write_bundle(bundle, manifest, draft.files | card_files(story, manifest, summary))
    files = load_bundle(bundle, family.scene.spec).files
    print(f"{bundle}: bundle {digest}, verified, {sum(map(len, files.values())) / 1e6:.1f} MB")


def card_files(
    story: Story, manifest: Manifest, summary: dict[str, Any] | None
) -> dict[str, bytes]:
    """The model card and its figure."""
    files = {MODEL_CARD: model_card(story, manifest, summary).encode()}
    if summary is not None:
        files[CURVE] = adaptation_curve(summary).encode()
    return files


def flat_results(summary: dict[str, Any]) -> dict[str, float]:
    """An evaluation's summary, flat: `adapted/return`, `adapted/return/low`, …"""
    results = {"tasks": float(summary["tasks"]), "trials": float(summary["trials"])}
    places = dict(summary["conditions"])
    for number, metrics in enumerate(summary["adapted_by_episode"]):
        places[f"episode_{number}"] = metrics
    for place, metrics in places.items():
        for metric in ("return", "success"):
            interval = metrics[metric]
            results[f"{place}/{metric}"] = interval["mean"]
            results[f"{place}/{metric}/low"] = interval["low"]
            results[f"{place}/{metric}/high"] = interval["high"]
    return results


def as_trained(name: str, recipe: Recipe) -> str:
    """The recipe as `taskbelief train` takes it, with the settings that were changed."""
    if name not in RECIPES:
        return name
    default, fields = RECIPES[name](), [*run_settings()]
    if recipe.tasks_sha256:  # not drawn: they lie in the bundle
        fields = [field for field in fields if field not in OF_A_DRAW]
        name = f"{name} --tasks {TASKS}"
    if recipe.robot:
        name = f"{name} --robot-config {recipe.robot}"
    changed = [(field, getattr(recipe, field)) for field in fields]
    changed = [(field, value) for field, value in changed if value != getattr(default, field)]
    for field in hints_of(type(default.config)):
        value = getattr(recipe.config, field)
        if value != getattr(default.config, field):
            changed.append((field, value))
    settings = [f"{field}={shown(value)}" for field, value in changed]
    return " ".join([name, "--settings", *settings]) if settings else name


def _noted(config: Path) -> dict[str, Any]:
    """What a run noted of itself when it began."""
    noted = read_json(config, "a run's config").get("provenance")
    fields = {"git_commit", "git_is_clean", "packages"}
    if not isinstance(noted, dict) or not fields <= set(noted):
        expected = f"{', '.join(sorted(fields))}"
        raise BadInput(str(config), "provenance", found=noted, expected=expected)
    return noted


def _provenance(run: Path, environment_steps: int) -> Provenance:
    """Where the run comes from, with the commit and the packages that it noted when it began."""
    recipe, name, seed, task_set = read_run(run)
    noted = _noted(run / "config.json")
    commit = noted["git_commit"] or "unknown"
    return Provenance(
        recipe=as_trained(name, recipe),
        algorithm=recipe.algorithm,
        family=recipe.family,
        seed=seed,
        git_commit=commit if noted["git_is_clean"] else f"{commit} with local changes",
        task_set_sha256=task_set.sha256,
        environment_steps=environment_steps,
        packages={name: version for name, version in noted["packages"].items() if version},
    )
