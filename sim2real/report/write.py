"""`taskbelief report`: one self-contained page about an evaluation, and a CSV per figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.output_file import require_folder, write_file
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.report.content import Sources, page_content
from sim2real.report.evaluation_folder import GAP, read_evaluation
from sim2real.report.figure import write_csv
from sim2real.report.gap import read_gap
from sim2real.report.page import render
from sim2real.report.recorded import read_recordings

REPORT, FIGURES = "report.html", "figures"


def report(
    folder: Annotated[Path, tyro.conf.Positional],
    compare: Path | None = None,
    gap: Path | None = None,
    namespace: str | None = None,
    robot_config: Path = DCLAW,
) -> None:
    """Write FOLDER/report.html about the evaluation in FOLDER, and FOLDER/figures/*.csv.

    Args:
        folder: what `taskbelief evaluate --out` wrote.
        compare: another evaluation of the same bundle, as in simulation, to set beside it.
        gap: what `taskbelief gap` wrote; by default gap.json in FOLDER, where there is one.
        namespace: of the robot, where recordings hold the topics of several.
        robot_config: the hand: a robot.yaml, its folder, or a robot's name.
    """
    spec = load_robot_spec(robot_config)
    print(write_report(folder, compare=compare, gap=gap, namespace=namespace, spec=spec))


def write_report(
    folder: Path,
    *,
    compare: Path | None = None,
    gap: Path | None = None,
    namespace: str | None = None,
    spec: RobotSpec | None = None,
) -> Path:
    """Write the page and its figures' numbers, each beside its target and renamed.

    `spec` is the hand's; None: the claw's.

    Returns the page's path. Raises `BadInput` for results, recordings or a gap that cannot be used.
    """
    require_folder(folder, "FOLDER")
    if gap is None and (folder / GAP).exists():
        gap = folder / GAP
    evaluation = read_evaluation(folder)
    sources = Sources(
        evaluation=evaluation,
        recorded=read_recordings(evaluation.recordings, namespace),
        compared=None if compare is None else read_evaluation(compare).results,
        gap=None if gap is None else read_gap(gap),
        spec=load_robot_spec() if spec is None else spec,
    )
    content = page_content(sources)
    text = render(content)
    for name, table in content.tables.items():
        write_csv(folder / FIGURES, name, table)
    page = folder / REPORT
    write_file(page, text)
    return page
