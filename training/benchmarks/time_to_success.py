"""Wall clock from the start of a training to the success that its recipe is known for.

Everything counts, as for whoever waits: loading, compiling kernels, evaluations. The training is a
process of its own and is stopped, saved, once it got there or the time is up.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder
from sim2real.contract.require import WHERE, require_positive, require_seeds
from training.engines.training import INTERRUPTED, Training, started
from training.parts.device import require_device
from training.recipes.registry import with_settings
from training.runs.metrics import lines_about
from training.runs.start import worlds_of

METRIC = "adapted/success"
"""on held-out tasks, in the last episode of a trial"""
_LOOK_S = 0.2


def print_time_to_success(
    out: Path,
    recipe: str = "pearl-valve-turn",
    success: float = 0.9,
    limit_s: float = 200.0,
    seed: int = 0,
    device: str = "cpu",
    settings: tuple[str, ...] = (),
) -> int:
    """Print, as a JSON line, how long a training takes to a success rate. 1: it failed.

    Args:
        out: its run directory, where there must be no run yet.
        recipe: what is trained.
        success: on held-out tasks, adapted; the default is what docs/results/claw.md states.
        limit_s: it is stopped then, if it did not get there.
        seed: of networks, exploration and sampling.
        device: cpu or cuda.
        settings: to change, as `taskbelief train` takes them; `backend=warp` is one.
    """
    require_seeds(seed=seed)
    require_positive(limit_s=limit_s)
    require_device(device)
    if not 0.0 <= success <= 1.0:
        raise BadInput(WHERE, "--success", found=success, expected="a share, 0 to 1")
    chosen = with_settings(recipe, settings)
    worlds_of(chosen, device)  # refused before anything is written
    require_folder(out, "--out")
    if (out / "config.json").exists():
        raise BadInput(str(out), "run", found="a run", expected="no run")
    training = Training(recipe=recipe, seed=seed, directory=out, settings=settings, device=device)
    record, code = time_to_success(training, success, limit_s)
    print(json.dumps({"case": f"{recipe}/{chosen.backend}/{device}", **record}), flush=True)
    if code:
        print(f"the training failed, exit code {code}: {training.log}", file=sys.stderr)
    return int(code != 0)


def time_to_success(
    training: Training, success: float, limit_s: float
) -> tuple[dict[str, object], int]:
    """A JSON-ready record without its case, whose value is null where it did not get there; the
    exit code, 0 where the training was stopped, or came to its end, in good order."""
    begun = time.perf_counter()
    process = started(training)
    elapsed, best = 0.0, _best(training.directory)
    while process.poll() is None and elapsed < limit_s and best[0] < success:
        time.sleep(_LOOK_S)
        elapsed, best = time.perf_counter() - begun, _best(training.directory)
    best = _best(training.directory)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    code = process.wait()
    record: dict[str, object] = {
        "bench": "time_to_success",
        "metric": "wall_clock_s",
        "value": elapsed if best[0] >= success else None,
        "unit": "s",
        "success_asked": success,
        "success_reached": best[0] if best[0] >= 0.0 else None,
        "environment_steps": best[1],
        "limit_s": limit_s,
    }
    return record, 0 if code == INTERRUPTED else code


def _best(run: Path) -> tuple[float, int]:
    """The best success so far and the environment steps it took; -1 before any evaluation."""
    lines = lines_about(METRIC, run / "metrics.csv")
    return max(((line.value, line.environment_steps) for line in lines), default=(-1.0, 0))
