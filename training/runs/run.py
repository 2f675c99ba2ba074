"""A run: its directory, its iterations, and how it survives interruptions.

    config.json      recipe, settings, seed, provenance
    tasks.json       the task set, with its hash
    metrics.csv      every number of every iteration, long form
    tensorboard/     the same numbers
    checkpoints/     the latest two; see `training.runs.checkpoint`
    eval.csv         every metric of every episode of the latest evaluation
    eval.json        its summary with intervals over tasks
    curve.png        returns per episode of a trial against environment steps

Nothing that a run does depends on the wall clock, so a run that was killed and resumed ends in
the same checkpoint, bit for bit on the CPU, as one that was not.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sim2real.contract.output_file import FULL, write_json
from training.algorithms.learner import Learner
from training.evaluation.curves import draw_curve
from training.evaluation.meta_test import MetaTestResult
from training.parts.loss_log import TrainingFailed
from training.recipes.recipe import Recipe
from training.runs.checkpoint import CheckpointStore
from training.runs.interrupt import DeferredInterrupt, Interrupted
from training.runs.metrics import MetricsFile
from training.runs.progress import Progress
from training.worlds.physics import NoRoomError


class Run:
    """Owns a run directory and a run's bookkeeping; the learner owns what an iteration is."""

    def __init__(
        self,
        directory: Path,
        *,
        recipe: Recipe,
        evaluate: Callable[[Learner], MetaTestResult],
        progress: Progress,
        resumes: bool,
    ) -> None:
        self.directory, self._recipe = directory, recipe
        self.checkpoints = CheckpointStore(directory / "checkpoints")
        self.metrics = MetricsFile(directory / "metrics.csv")
        self._evaluate, self._progress = evaluate, progress
        self._resumes = resumes

    def repeat(self, learner: Learner) -> None:
        """Let it iterate until the recipe's iterations are done; note, evaluate and save behind it.

        Raises `Interrupted` after Ctrl-C, once the iteration is finished and saved, and
        `TrainingFailed`, naming the last good checkpoint, when the numbers or the disk go wrong.
        """
        recipe, state = self._recipe, learner.state
        num_iterations, first = recipe.num_iterations, self._begin(learner)
        interrupt = DeferredInterrupt()
        board = _tensorboard(self.directory / "tensorboard", first)
        try:
            with interrupt, self._progress.shown(first, num_iterations):
                for iteration in range(first, num_iterations):
                    began, steps_before = time.perf_counter(), state.num_environment_steps
                    if self._is_spent(steps_before):
                        break
                    share = self._share_done(iteration, steps_before)
                    state.curriculum.advance(share)
                    metrics = dict(learner.iterate(share))
                    seconds = time.perf_counter() - began
                    taken = state.num_environment_steps - steps_before
                    metrics |= {"seconds": seconds, "steps_per_second": taken / seconds}
                    is_last = iteration + 1 == num_iterations or interrupt.is_asked
                    is_last = is_last or self._is_spent(state.num_environment_steps)
                    if is_last or (iteration + 1) % recipe.evaluation_interval == 0:
                        metrics |= self._evaluated(learner)
                    self._note(metrics, iteration, learner, board)
                    if is_last or (iteration + 1) % recipe.checkpoint_interval == 0:
                        self.checkpoints.save(learner, iteration + 1)
                    self._progress.advance(iteration, metrics)  # saved before it is shown
                    if interrupt.is_asked:
                        raise Interrupted(f"saved after iteration {iteration}: {self.directory}")
        except (TrainingFailed, NoRoomError) as failure:
            raise TrainingFailed(f"{failure}; {self._last_good()}") from failure
        except OSError as error:
            place = error.filename or str(self.directory)
            reason = "disk full" if error.errno in FULL else error.strerror
            raise TrainingFailed(f"{reason}: {place}; {self._last_good()}") from error
        finally:
            # Where the disk has failed already, that is what is to be said.
            with contextlib.suppress(*([OSError] if sys.exception() else [])):
                board.close()
                draw_curve([self.metrics.read()], self.directory / "curve.png")

    def _is_spent(self, environment_steps: int) -> bool:
        budget = self._recipe.max_environment_steps
        return 0 < budget <= environment_steps

    def _share_done(self, iteration: int, environment_steps: int) -> float:
        """Of the iterations or of the budget, whichever ends first."""
        share, budget = iteration / self._recipe.num_iterations, self._recipe.max_environment_steps
        return max(share, environment_steps / budget) if budget else share

    def _begin(self, learner: Learner) -> int:
        """The first iteration to do: 0, or the one after the checkpoint that is resumed."""
        first = 0
        if self._resumes and self.checkpoints.iterations():
            first = self.checkpoints.load_latest(learner)
        self.metrics.forget_from(first)
        return first

    def _evaluated(self, learner: Learner) -> dict[str, float]:
        """Evaluate, write eval.csv and eval.json, and return the figures for the curve."""
        result = self._evaluate(learner)
        result.write_csv(self.directory / "eval.csv")
        summary = result.summary()
        write_json(
            self.directory / "eval.json",
            {"environment_steps": learner.state.num_environment_steps, **summary},
        )
        return curve_metrics(summary)

    def _note(
        self, metrics: Mapping[str, float], iteration: int, learner: Learner, board: Any
    ) -> None:
        self.metrics.append(
            metrics,
            iteration=iteration,
            environment_steps=learner.state.num_environment_steps,
            gradient_steps=learner.state.num_gradient_steps,
        )
        for name, value in metrics.items():
            board.add_scalar(name, value, iteration)

    def _last_good(self) -> str:
        saved = self.checkpoints.iterations()
        return f"last good checkpoint: {self.checkpoints.path(saved[-1]) if saved else 'none'}"


def curve_metrics(summary: Mapping[str, Any]) -> dict[str, float]:
    """The figures of an evaluation that a curve shows, flat: `adapted/return`, `…/low`, `…`."""
    figures = {}
    episodes = {f"episode_{k}": values for k, values in enumerate(summary["adapted_by_episode"])}
    for place, metrics in {**summary["conditions"], **episodes}.items():
        for metric in ("return", "success"):
            interval = metrics[metric]
            figures[f"{place}/{metric}"] = interval["mean"]
            figures[f"{place}/{metric}/low"] = interval["low"]
            figures[f"{place}/{metric}/high"] = interval["high"]
    return figures


def _tensorboard(folder: Path, first: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # a second to import; only runs need it

    return SummaryWriter(str(folder), purge_step=first)
