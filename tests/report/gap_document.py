"""A gap as `taskbelief gap` writes it, with every section and numbers that are made up."""

from __future__ import annotations

from typing import Any

from sim2real.gap.latency import STAGES
from sim2real.gap.measure import SCHEMA_VERSION

JOINTS = ("finger1_top", "finger1_middle")


def gap_document() -> dict[str, Any]:
    metrics = {
        "success": difference(0.9, 0.85),
        "return": difference(11.0, 10.2),
        "success_fraction": difference(0.8, 0.7),
    }
    row = {"num_tasks": 6, "num_pairs": 6, **metrics}
    tasks = [f"test/{index}" for index in range(6)]
    return {
        "schema_version": SCHEMA_VERSION,
        "a": side("simulation", is_lock_step=True),
        "b": side("emulated bus", is_lock_step=False),
        "closed_loop": {
            "num_pairs": 12,
            "num_only_in_a": 0,
            "num_only_in_b": 0,
            "conditions": {"adapted": row, "frozen_prior": row},
            "adapted_by_episode": [{"episode": 0, **row}, {"episode": 1, **row}],
            "correlation": {
                "num_tasks": 6,
                "spearman": 0.8,
                "pearson": 0.7,
                "mean_rank_violation": 0.4,
                "per_task": [
                    {"task": task, "a": 10.0 + index, "b": 9.0 + index}
                    for index, task in enumerate(tasks)
                ],
            },
        },
        "replay": {
            "policy": {
                "dynamics": "the tasks’ own dynamics",
                "a": replayed(0.0006),
                "b": replayed(0.0031),
                "difference": {"num_motions": 12, "joint_rmse_rad": difference(0.0006, 0.0031)},
                "excess": [{"joint": "finger1_top", "share": 1.0}],
            }
        },
        "steps": [
            {
                "joint": joint,
                **{
                    name: {"a": 0.1, "b": 0.12, "difference": 0.02}
                    for name in ("delay_s", "rise_s", "settling_s", "overshoot", "steady_error_rad")
                },
                "num_steps": {"a": 4, "b": 4},
            }
            for joint in JOINTS
        ],
        "delay": {
            "resolution_s": 0.01,
            "per_joint": [
                {"joint": joint, "a": lag(0.101), "b": None, "difference_s": None}
                for joint in JOINTS
            ],
        },
        "beliefs": {
            "num_tasks": 6,
            "num_trials": 6,
            "wasserstein_2": {
                "same_task": 0.11,
                "different_tasks": 1.3,
                "normalised": {"mean": 0.086, "low": 0.04, "high": 0.2},
                "nearest_is_same_task": 1.0,
                "per_task": [{"task": task, "distance": 0.1} for task in tasks],
                "between_trials": {"a": None, "b": None},
            },
            "trajectory": [
                {
                    "num_transitions": 0.0,
                    "same_task": 0.0,
                    "different_tasks": 0.0,
                    "normalised": None,
                },
                {
                    "num_transitions": 30.0,
                    "same_task": 0.1,
                    "different_tasks": 1.2,
                    "normalised": 0.1,
                },
            ],
        },
        "latency": {
            "stages": {stage: {"a": timed(0.1), "b": timed(0.004), "ks": 1.0} for stage in STAGES},
            "missed": {side: {"deadlines": 100, "missed": 1, "per_million": 1e4} for side in "ab"},
            "meaning": dict(STAGES),
        },
        "identification": {
            "tasks": {
                "test/0": {
                    "parameters": [
                        {
                            "parameter": "servo_stiffness[1]",
                            "unit": "x nominal",
                            "estimate": 1.1,
                            "low": 1.0,
                            "high": 1.2,
                            "assumed": 1.05,
                            "is_assumed_inside": True,
                            "family_low": 0.5,
                            "family_high": 1.5,
                            "is_in_family": True,
                        },
                    ]
                }
            },
            "contributors": [{"parameter": "all", "share": 0.4}],
        },
        "left_out": {},
        "notes": ["B is an emulated bus: none of its numbers is of hardware"],
        "method": {"seed": 0, "intervals": "95 %", "difference": "B minus A"},
        "headline": {"num_tasks": 6, "condition": "adapted", "metrics": metrics},
    }


def difference(a: float, b: float) -> dict[str, float]:
    return {"a": a, "b": b, "difference": b - a, "low": b - a - 0.1, "high": b - a + 0.1}


def side(label: str, *, is_lock_step: bool) -> dict[str, Any]:
    return {"path": "a", "label": label, "is_lock_step": is_lock_step, "tasks": {}}


def replayed(rmse_rad: float) -> dict[str, Any]:
    return {
        "num_motions": 12,
        "object": {"mean": rmse_rad, "low": None, "high": None},
        "peak_object_rad": 0.02,
        "per_joint": [{"joint": joint, "rmse_rad": rmse_rad, "peak_rad": 0.02} for joint in JOINTS],
        "growth": [
            {"time_s": time_s, "joints_rad": rmse_rad * time_s, "object_rad": rmse_rad}
            for time_s in (0.1, 1.0, 3.0)
        ],
    }


def lag(lag_s: float) -> dict[str, float]:
    return {"lag_s": lag_s, "low_s": 0.09, "high_s": 0.12, "correlation": 0.8}


def timed(median_s: float) -> dict[str, Any]:
    quantiles = {"p50": median_s, "p95": 2 * median_s, "p99": 3 * median_s, "p99.9": 4 * median_s}
    curve_s = [median_s * factor for factor in (0.5, 0.8, 1.0, 1.5, 4.0)]
    return {**quantiles, "max": 4 * median_s, "count": 100, "curve_s": curve_s}
