"""`taskbelief exact regret`: what exploring costs, by process and explorer.

Regret is Σ V*(s) - Q*(s, a) over the steps taken, with the exact optimum of the true process; its
mean is what an episode falls short of the best policy's return. Cumulative regret grows as a power
of the number of episodes: 1 where nothing is learned, less where learning ends the search.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable, write_json
from sim2real.contract.require import require_seeds
from training.exact.bandit_values import policy_value
from training.exact.exploration import explore
from training.exact.explorers import EpsilonGreedy, Explorer, Optimism, PosteriorSampling
from training.exact.posterior import BetaReward, Prior
from training.exact.tabular import Process, bandits, chain, plan, river_swim
from training.worlds.bernoulli_bandit import BernoulliBandit, draw_arms, thompson
from training.worlds.ties import Array

NUM_RESAMPLES = 2000
"""bootstrap samples of the seeds"""
NUM_BANDITS = 20_000
"""bandits on which posterior sampling is held against Thompson sampling's exact value"""
_NUM_POINTS = 60
"""of a curve that is written"""
_SHARES = (0.1, 0.25, 0.5, 1.0)
"""of all episodes, at which a table shows the regret so far"""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One process, and what is believed of it beforehand by all that have a prior."""

    process: Process
    """to be explored"""
    prior: Prior
    """of posterior sampling and of ε-greedy"""
    num_episodes: int
    """of each run"""

    @property
    def explorers(self) -> Sequence[Explorer]:
        return (
            PosteriorSampling(prior=self.prior),
            EpsilonGreedy(prior=self.prior, epsilon=0.1, name="ε-greedy 0.1"),
            EpsilonGreedy(prior=self.prior, epsilon=1.0, decay=1 / 3, name="ε-greedy k^-1/3"),
            Optimism(scale=1.0, name="ucbvi 1"),
            Optimism(scale=0.1, name="ucbvi 0.1"),
        )


EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.process.name: experiment
    for experiment in (
        Experiment(process=river_swim(), prior=Prior(), num_episodes=3000),
        # One pseudo-count per row in all: with one per state, twenty states drown what is seen.
        Experiment(process=chain(20), prior=Prior(transition=1 / 20), num_episodes=4000),
    )
}


def print_regret(
    processes: tuple[str, ...] = (),
    seeds: int = 20,
    seed: int = 0,
    json: bool = False,
    out: Path | None = None,
    picture: Path | None = None,
) -> None:
    """Explore small processes by posterior sampling, ε-greedy and optimism; print their regret.

    Args:
        processes: which; all by default.
        seeds: independent runs, which advance together.
        seed: of all random numbers.
        json: one object a line, with the curve.
        out: a JSON file that gets the same.
        picture: a PNG of the curves.
    """
    require_seeds(seed=seed)
    for option, path in (("--out", out), ("--picture", picture)):
        require_writable(path, option)
    if seeds < 2:
        raise BadInput("command line", "--seeds", found=seeds, expected="2 or more")
    require_seeds(seed=seed)
    require_writable(out, "--out")
    require_writable(picture, "--picture")
    for name in processes:
        if name not in EXPERIMENTS:
            expected = f"one of {', '.join(EXPERIMENTS)}"
            raise BadInput("command line", "--processes", found=name, expected=expected)
    records = []
    for name in processes or EXPERIMENTS:
        for record in measured(EXPERIMENTS[name], seeds, seed):
            records.append(record)
            if json:
                print(dumps(record), flush=True)
    bandit = bandit_check(seed)
    if json:
        print(dumps(bandit), flush=True)
    else:
        _print_tables(records, bandit)
    if out is not None:
        document = {"schema_version": 1, "regret": records, "bandit": bandit}
        write_json(out, document, allow_nan=False)
    if picture is not None:
        draw_regret(records, picture)


def measured(experiment: Experiment, seeds: int, seed: int) -> Iterator[dict[str, Any]]:
    """One record per explorer, ready for JSON."""
    process = experiment.process
    optimum = plan(process.model, process.horizon)[0, 0, process.start].max()
    for explorer in experiment.explorers:
        began = time.perf_counter()
        rng = np.random.default_rng(seed)
        explored = explore(
            process, explorer, rng, num_runs=seeds, num_episodes=experiment.num_episodes
        )
        cumulative = explored.regret.cumsum(0)
        shown = np.unique(np.geomspace(1, len(cumulative), _NUM_POINTS).round().astype(int))
        low, high = mean_interval(cumulative[-1], rng)
        exponent = growth_exponent(cumulative, rng)
        yield {
            "problem": process.name,
            "explorer": explorer.name,
            "seeds": seeds,
            "episodes": len(cumulative),
            "optimal_return": float(optimum),
            "regret": {"mean": float(cumulative[-1].mean()), "low": low, "high": high},
            "exponent": dict(zip(("mean", "low", "high"), exponent)),
            "curve": {
                "episode": shown.tolist(),
                "mean": cumulative[shown - 1].mean(1).tolist(),
                "low": cumulative[shown - 1].min(1).tolist(),
                "high": cumulative[shown - 1].max(1).tolist(),
            },
            "seconds": round(time.perf_counter() - began, 1),
        }


def growth_exponent(cumulative: Array, rng: np.random.Generator) -> tuple[float, float, float]:
    """Slope of log mean regret over log episodes, and its 95 % interval.

    (K, B) cumulative regret, fitted by least squares on the last nine tenths of the episodes at
    evenly spaced logarithms. The interval is the bootstrap's over the B seeds, percentiles.
    """
    num_episodes, num_seeds = cumulative.shape
    episode = np.unique(np.geomspace(num_episodes / 10, num_episodes, 50).round().astype(int))
    x = np.log(episode) - np.log(episode).mean()
    resampled = rng.integers(num_seeds, size=(NUM_RESAMPLES, num_seeds))
    curves = cumulative[episode - 1]
    means = np.concatenate([curves.mean(1)[:, None], curves[:, resampled].mean(-1)], axis=1)
    slopes = x @ np.log(means) / (x @ x)
    low, high = np.percentile(slopes[1:], (2.5, 97.5))
    return float(slopes[0]), float(low), float(high)


def mean_interval(values: Array, rng: np.random.Generator) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of (B,) values."""
    means = rng.choice(values, (NUM_RESAMPLES, len(values))).mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def bandit_check(seed: int, num_bandits: int = NUM_BANDITS) -> dict[str, Any]:
    """Posterior sampling on Bernoulli bandits beside the exact value of Thompson sampling."""
    bandit = BernoulliBandit(num_arms=2, num_pulls=20)
    rng = np.random.default_rng(seed)
    process = bandits(draw_arms(bandit, rng, num_bandits))
    explorer = PosteriorSampling(prior=Prior(reward=BetaReward()))
    explored = explore(process, explorer, rng, num_runs=num_bandits, num_episodes=bandit.num_pulls)
    total = explored.total.sum(0)
    return {
        "problem": "bandit_2x20",
        "explorer": explorer.name,
        "bandits": num_bandits,
        "value": float(total.mean()),
        "standard_error": float(total.std(ddof=1) / np.sqrt(num_bandits)),
        "thompson_exact": policy_value(bandit, lambda counts: thompson(bandit, counts)),
    }


def _print_tables(records: Sequence[Mapping[str, Any]], bandit: Mapping[str, Any]) -> None:
    console = Console()
    for problem in dict.fromkeys(record["problem"] for record in records):
        own = [record for record in records if record["problem"] == problem]
        episodes, seeds, best = (own[0][key] for key in ("episodes", "seeds", "optimal_return"))
        title = f"{problem}: {seeds} seeds, best return {best:.3f}; regret after episode …"
        at = [round(share * episodes) for share in _SHARES]
        table = Table("", *map(str, at), "95 %", "exponent", title=title, title_justify="left")
        for record in own:
            curve = record["curve"]
            regret = np.interp(at, curve["episode"], curve["mean"])
            end, growth = record["regret"], record["exponent"]
            table.add_row(
                record["explorer"],
                *(f"{value:.0f}" for value in regret),
                rf"\[{end['low']:.0f}, {end['high']:.0f}]",
                rf"{growth['mean']:.2f} \[{growth['low']:.2f}, {growth['high']:.2f}]",
            )
        console.print(table)
    share = bandit["value"] / bandit["thompson_exact"]
    console.print(
        f"bandit_2x20: psrl earns {bandit['value']:.3f} (standard error "
        f"{bandit['standard_error']:.3f}, {bandit['bandits']:,} bandits); Thompson exactly "
        f"{bandit['thompson_exact']:.3f}; ratio {share:.4f}",
        highlight=False,
    )


def draw_regret(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Cumulative regret over episodes, mean and range over seeds, a process beside the other."""
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    problems = list(dict.fromkeys(record["problem"] for record in records))
    figure = Figure(figsize=(5.0 * len(problems), 4.0), layout="constrained")
    axes = figure.subplots(1, len(problems), squeeze=False)
    for axis, problem in zip(axes[0], problems, strict=True):
        for record in records:
            if record["problem"] != problem:
                continue
            curve = record["curve"]
            (line,) = axis.loglog(curve["episode"], curve["mean"], label=record["explorer"])
            axis.fill_between(
                curve["episode"], curve["low"], curve["high"], alpha=0.15, color=line.get_color()
            )
        axis.set(title=problem, xlabel="episode", ylabel="cumulative regret")
        axis.legend(fontsize="small")
        axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    figure.savefig(beside, format="png", dpi=120)
    beside.replace(path)
