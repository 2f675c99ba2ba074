"""What an evaluation found, in one sentence, and how it was measured, in a few more."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from sim2real.report.shown import Shown, pointer

ROBOTS: Mapping[str, tuple[str, str]] = {
    "simulated": ("simulated", "Measured in simulation, tick by tick. No servo took part."),
    "emulated": (
        "emulated bus",
        "Measured on the emulated servo bus over simulated physics, byte by byte and in real "
        "time. No real servo took part.",
    ),
    "serial": ("serial (real servos)", "Measured on real servos."),
}
"""by the robot's kind: its label, and what that means"""

_WITHOUT = {
    "frozen_prior": "with a belief that never leaves the prior",
    "wrong_task": "with the belief of another task",
}


def robot_label(robot: str) -> str:
    return ROBOTS[robot][0] if robot in ROBOTS else robot


def headline(shown: Shown) -> Markup:
    """Success from the first episode to the adapted one."""
    document = shown.document
    episodes = document["adapted_by_episode"]
    if not episodes:
        return Markup("No trial was finished.")
    last = len(episodes) - 1
    first, final = (
        shown.interval(pointer("adapted_by_episode", index, "success"), "percent")
        for index in (0, last)
    )
    where = _where(shown)
    if last == 0:
        return Markup("<b>{}</b> of first episodes succeed {}.").format(final, where)
    before, after = (episodes[index]["success"]["mean"] for index in (0, last))
    verb = "rises" if after > before else "falls" if after < before else "goes"
    return Markup("Success {} from {} in the first episode to <b>{}</b> in episode {}, {}.").format(
        verb, first, final, last, where
    )


def ablation(shown: Shown) -> Markup:
    """What is left of the adapted behaviour without the right belief."""
    parts = [
        Markup("{} {}").format(
            shown.interval(pointer("conditions", name, "success"), "percent"), what
        )
        for name, what in _WITHOUT.items()
        if name in shown.document["conditions"]
    ]
    if not parts:
        return Markup("")
    return Markup("The same episode succeeds in {}.").format(Markup(", in ").join(parts))


def facts(shown: Shown) -> list[tuple[str, Markup]]:
    """How much was measured."""
    document = shown.document
    seed = shown.number("/provenance/seed", "exact")
    return [
        ("robot", Markup("{}").format(robot_label(document["robot"]))),
        ("tasks", shown.number("/tasks", "count")),
        ("trials per task", shown.number("/trials", "count")),
        ("episodes per trial", shown.number("/episodes", "count")),
        ("seed", seed),
        ("interventions", shown.number("/interventions", "count")),
    ]


def _where(shown: Shown) -> Markup:
    document = shown.document
    names = document["provenance"].get("task_names", [])
    is_held_out = bool(names) and all(name.startswith("test/") for name in names)
    # Tasks of which the last episode is there; all of them once an evaluation is finished.
    at = pointer("adapted_by_episode", len(document["adapted_by_episode"]) - 1, "tasks")
    at = at if shown.has(at) else "/tasks"
    tasks, noun = shown.number(at, "count"), "task" if shown.value(at) == 1 else "tasks"
    kind = "held-out " if is_held_out else ""
    return Markup("on {} {}{}").format(tasks, kind, noun)
