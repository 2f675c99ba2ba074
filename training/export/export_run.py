"""`taskbelief export`: the latest checkpoint of a run to a verified, measured bundle."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import LatentSource, Manifest, Provenance
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.runtime.bundle import MODEL_CARD, write_bundle
from sim2real.runtime.verify import load_bundle
from training.algorithms.learner import ExportParts
from training.benches.bench_tasks import claw_family
from training.benches.measure import measure
from training.benches.options import require_counts
from training.export.adaptation_curve import CURVE, adaptation_curve
from training.export.make_bundle import Origin, make_draft
from training.export.model_card import model_card
from training.recipes.recipe import Recipe
from training.recipes.registry import RECIPES
from training.runs.start import load_learner, read_run


def export_run(
    run: Annotated[Path, tyro.conf.Positional],
    bundle: Annotated[Path, tyro.conf.Positional],
    latent_source: LatentSource = "episode_sample",
    resample_every_ticks: int = 0,
    num_tasks: int | None = None,
    num_trials: int = 1,
) -> None:
    """Export the latest checkpoint of RUN to the folder BUNDLE, measure it and write its card.

    Args:
        run: the directory of a training run on a family of the claw.
        bundle: the folder to write; a bundle that is there already is replaced.
        latent_source: what the policy is conditioned on where there is a latent.
        resample_every_ticks: for `periodic_sample`.
        num_tasks: held-out tasks to measure on; all of them by default.
        num_trials: trials per task.
    """
    require_counts(num_tasks=num_tasks, num_trials=num_trials)
    if (latent_source == "periodic_sample") != (resample_every_ticks > 0):
        expected = "ticks above 0 for periodic_sample, and for nothing else"
        found = resample_every_ticks
        raise BadInput("command line", "--resample-every-ticks", found=found, expected=expected)
    recipe, _, _, task_set = read_run(run)
    family = claw_family(recipe.family, str(run))
    learner = load_learner(run)
    parts = learner.export_parts()
    _refuse_oracle(parts, run)
    origin = Origin(
        name=bundle.name,
        provenance=_provenance(run, learner.num_environment_steps),
        latent_source=latent_source,
        resample_every_ticks=resample_every_ticks,
    )
    draft = make_draft(parts, family.scene, task_set, origin)
    protocol = TrialProtocol(num_episodes=recipe.config.num_trial_episodes, num_trials=num_trials)
    summary = measure(draft.as_bundle(), family, task_set.test[:num_tasks], protocol)
    manifest = replace(draft.manifest, results=flat_results(summary))
    digest = write_bundle(bundle, manifest, draft.files | card_files(manifest, summary))
    files = load_bundle(bundle, family.scene.spec).files
    print(f"{bundle}: bundle {digest}, verified, {sum(map(len, files.values())) / 1e6:.1f} MB")


def card_files(manifest: Manifest, summary: dict[str, Any] | None) -> dict[str, bytes]:
    """The model card and its figure."""
    files = {MODEL_CARD: model_card(manifest, summary).encode()}
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
    default, changed = RECIPES[name]().config, []
    for field in dataclasses.fields(default):
        value = getattr(recipe.config, field.name)
        if value != getattr(default, field.name):
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
            changed.append(f"{field.name}={text}")
    return " ".join([name, "--settings", *changed]) if changed else name


def _refuse_oracle(parts: ExportParts, run: Path) -> None:
    if parts.task_vector_size:
        expected = "a policy that need not be told the true task, which no robot knows"
        raise BadInput(str(run), "view", found="oracle", expected=expected)


def _provenance(run: Path, environment_steps: int) -> Provenance:
    """Where the run comes from, with the commit and the packages that it noted when it began."""
    recipe, name, seed, task_set = read_run(run)
    noted = json.loads((run / "config.json").read_text(encoding="utf-8"))["provenance"]
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
