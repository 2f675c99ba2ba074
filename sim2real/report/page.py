"""From what was read to the HTML of one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from typing import Any

import jinja2
from markupsafe import Markup

from sim2real.report.adaptation import REFERENCES
from sim2real.report.events import CountTable
from sim2real.report.figure import Figure, Table
from sim2real.report.gap import Gap
from sim2real.report.grid import Grid
from sim2real.report.headline import ROBOTS, ablation, facts, headline, robot_label
from sim2real.report.shown import Shown, embedded, pointer, words
from sim2real.report.tasks_table import TaskTable

STAGES: Mapping[str, str] = {
    "lateness": "from the deadline of a tick to its beginning",
    "read": "from the beginning of a tick until all servos had answered",
    "answer": "from the servos’ answers until the goals that answer them were on the bus",
    "age": "from a measurement until the goals that answer it were on the bus",
    "reading_age": "from a measurement until the policy’s step began",
    "compute": "from the start of the policy’s step until its targets were known",
}
"""what is timed, as in `sim2real.evaluation.latency`"""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """What the player shows."""

    figure: Figure
    data: Mapping[str, Any]
    note: str
    first: int
    """index of the task that is shown at first"""


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that a page is made of."""

    shown: Shown
    date: str
    adaptation: Figure | None
    belief: Figure | None
    kl: Figure | None
    believed: Grid | None
    """how beliefs about quantities end"""
    tasks: TaskTable | None
    tasks_csv: Table
    gap: Gap | None
    compared: Grid | None
    latency: Figure | None
    missed: str
    timing_note: str
    evidence: CountTable
    safety: CountTable
    faults: Table | None
    motion: Motion | None
    seen: Figure | None
    """what a policy that sees was shown"""
    provenance: Sequence[tuple[str, str]]
    commands: Sequence[str]
    warnings: Sequence[str]
    documents: Mapping[str, Mapping[str, Any]]
    """whole documents that the page's numbers are from, by the name that the numbers give"""
    has_episodes: bool
    no_recordings: str
    """why there is nothing from recordings; empty where there is"""

    @property
    def tables(self) -> dict[str, Table]:
        """Everything that is drawn or listed, by the name of its CSV."""
        motion = self.motion.figure if self.motion else None
        figures = (self.adaptation, self.belief, self.kl, self.latency, motion, self.seen)
        tables = {figure.name: figure.table for figure in figures if figure is not None}
        tables |= {each.name: each.table for each in (self.evidence, self.safety) if each.rows}
        tables |= {} if self.tasks is None else {"tasks": self.tasks_csv}
        tables |= {} if self.faults is None else {"faults": self.faults}
        return tables | (dict(self.gap.tables) if self.gap else {})


def render(content: Content) -> str:
    """The whole page."""
    shown = content.shown
    results = shown.document
    robot = str(results["robot"])
    motion = content.motion
    return _template().render(
        version=metadata.version("taskbelief"),
        style=Markup(_text("page.css")),
        script=Markup(_text("page.js")),
        name=results["bundle"]["name"],
        robot=robot_label(robot),
        robot_meaning=ROBOTS.get(robot, ("", ""))[1],
        results=results,
        date=content.date,
        headline=headline(shown),
        ablation=ablation(shown),
        facts=facts(shown),
        warnings=content.warnings,
        sections=_sections(content),
        adaptation=content.adaptation,
        conditions=_conditions(shown),
        differences=_differences(shown),
        not_available=[(words(k), v) for k, v in results.get("not_available", {}).items()],
        belief=content.belief,
        kl=content.kl,
        believed=content.believed,
        no_belief=content.no_recordings if content.kl is None else "",
        tasks=content.tasks,
        tasks_csv=content.tasks_csv,
        gap=content.gap,
        compared=content.compared,
        latency=content.latency,
        missed=content.missed,
        stages=_stages(shown),
        timing_note=content.timing_note,
        evidence=content.evidence,
        safety=content.safety,
        faults=content.faults,
        motion=motion.figure if motion else None,
        motion_note=motion.note if motion else "",
        motion_tasks=[task["task"] for task in motion.data["tasks"]] if motion else [],
        motion_first=motion.first if motion else 0,
        motion_data=embedded(motion.data) if motion else "",
        seen=content.seen,
        provenance=content.provenance,
        commands=content.commands,
        has_episodes=content.has_episodes,
        documents=[(name, embedded(document)) for name, document in content.documents.items()],
    )


def _sections(content: Content) -> list[tuple[str, str]]:
    sections = [
        ("adaptation", "Adaptation", True),
        ("belief", "Beliefs", True),
        ("tasks", "Tasks", content.tasks),
        ("gap", "Gap", content.gap or content.compared),
        ("timing", "Timing", True),
        ("events", "Evidence, safety, faults", True),
        ("motion", "What it looked like", content.motion),
        ("provenance", "Provenance", True),
    ]
    return [(f"{anchor}-section", title) for anchor, title, is_there in sections if is_there]


def _conditions(shown: Shown) -> list[dict[str, Any]]:
    """Episodes of the adapted trials, then what they are compared with."""
    document = shown.document
    last = len(document["adapted_by_episode"]) - 1
    rows = []
    for episode in range(last + 1):
        meaning = "the prior at first" if episode == 0 else "all that the trial has shown so far"
        at = pointer("adapted_by_episode", episode)
        kind = "adapted-last" if episode == last else ""
        rows.append(_condition(shown, f"adapted, episode {episode}", meaning, at, kind))
    for name, meaning in REFERENCES.items():
        if name in document["conditions"]:
            rows.append(_condition(shown, words(name), meaning, pointer("conditions", name), ""))
    return rows


def _condition(shown: Shown, name: str, meaning: str, at: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "meaning": meaning,
        "kind": kind,
        "success": shown.interval(f"{at}/success", "percent"),
        "total": shown.interval(f"{at}/return", "decimal"),
        "fraction": shown.interval(f"{at}/success_fraction", "percent"),
    }


def _differences(shown: Shown) -> Grid:
    return Grid(
        caption=(
            "How much better adapted behaviour is: paired differences, 95 % interval over tasks"
        ),
        columns=("difference", "success", "return"),
        rows=[
            [
                words(name).replace(" - ", " − "),
                shown.interval(pointer("differences", name, "success"), "points"),
                shown.interval(pointer("differences", name, "return"), "change"),
            ]
            for name in shown.document.get("differences", {})
        ],
    )


def _stages(shown: Shown) -> list[dict[str, Any]]:
    return [
        {
            "name": words(stage),
            "meaning": STAGES.get(stage, ""),
            "numbers": [
                shown.number(pointer("latency_s", stage, quantile), form)
                for quantile, form in (
                    *((q, "duration") for q in ("p50", "p99", "p99.9", "max")),
                    ("count", "count"),
                )
            ],
        }
        for stage in shown.document["latency_s"]
    ]


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["embedded"] = embedded
    return environment.from_string(_text("page.html.jinja"))


def _text(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
