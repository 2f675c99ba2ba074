"""What is in a recording, in numbers that a person wants and a script can read."""

from __future__ import annotations

import json as json_format
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sim2real.recording.episodes import episodes
from sim2real.recording.losses import losses_of
from sim2real.recording.reader import RecordingData
from sim2real.recording.topics import TOPICS

RESULT_FIELDS = (
    "task",
    "condition",
    "trial",
    "episode",
    "total_reward",
    "is_success",
    "success_fraction",
    "num_steps",
    "num_transitions",
    "kl_from_prior",
    "outcome",
    "reason",
)


def summary(recording: RecordingData) -> dict[str, Any]:
    """Plain JSON: what was recorded and for how long, what is missing, episodes and timing."""
    seconds = (recording.end_ns - recording.start_ns) * 1e-9
    losses = losses_of(recording, list(episodes(recording)))
    started = datetime.fromtimestamp(recording.start_ns * 1e-9, UTC)
    return {
        "file": str(recording.path),
        "is_whole": recording.is_whole,
        "metadata": None if recording.metadata is None else recording.metadata.as_dict(),
        "namespace": recording.namespace,
        "started_at": started.isoformat(timespec="milliseconds") if recording.counts else None,
        "duration_s": seconds,
        "messages": sum(recording.counts.values()) + sum(recording.others.values()),
        "topics": _topics(recording, seconds),
        "missing": dict(losses.messages),
        "losses": losses.as_dict(),
        "notes": losses.notes,
        "episodes": _episodes(recording),
        "learnt": _learnt(recording),
        "rejections": _rejections(recording),
        "safety_events": _safety_events(recording),
        "timing": _timing(recording),
    }


def _topics(recording: RecordingData, seconds: float) -> dict[str, Any]:
    """All that are in the file: the robot's by relative name, others by their own."""
    topics = {name: (recording.types[name], count) for name, count in recording.counts.items()}
    for key, count in recording.others.items():
        # A topic with messages of two types is there twice.
        name = f"{key.topic} ({key.type})" if key.topic in topics else key.topic
        topics[name] = (key.type, count)
    return {
        name: {
            "type": kind,
            "messages": count,
            "rate_hz": (count - 1) / seconds if count > 1 and seconds > 0 else None,
        }
        for name, (kind, count) in topics.items()
    }


def _episodes(recording: RecordingData) -> list[dict[str, Any]]:
    return [
        {name: getattr(item.message, name) for name in RESULT_FIELDS}
        for item in recording.messages("trial_result")
    ]


def _learnt(recording: RecordingData) -> list[dict[str, Any]]:
    """What was learnt between a trial's episodes, where anything is: as it was believed last."""
    latest = {item.message.trial: item.message for item in recording.messages("belief")}
    return [
        {
            "trial": belief.trial,
            "digest": belief.digest,
            "kl_from_prior": belief.kl_from_prior,
            **dict(zip(belief.figure_names, belief.figures)),
        }
        for belief in latest.values()
        if getattr(belief, "digest", "")  # recordings of earlier versions have none
    ]


def _rejections(recording: RecordingData) -> dict[str, int]:
    """Readings that were acted on and were no evidence, by cause; "" are those that were."""
    causes = Counter(item.message.rejection for item in recording.messages("policy_step"))
    evidence = causes.pop("", 0)
    return {"evidence": evidence, **dict(causes.most_common())}


def _safety_events(recording: RecordingData) -> dict[str, int]:
    """How often each rung was entered for each cause."""
    events = (item.message for item in recording.messages("safety_event"))
    counts = Counter(
        f"{event.rung}: {event.cause}" if event.cause else event.rung for event in events
    )
    return dict(counts.most_common())


def _timing(recording: RecordingData) -> dict[str, Any]:
    """Of the control loop's ticks, in seconds."""
    if not recording.counts.get("control_tick"):
        return {}
    ticks = recording.columns("control_tick")
    began, measured, written = (ticks[f"{name}_ns"] for name in ("started", "reading", "written"))
    answered = (measured > 0) & (written > 0) & (ticks["answers_ns"] == measured)
    missed = int(ticks["num_missed"].sum())
    return {
        "ticks": len(began),
        "missed": missed,
        "failed_readings": int((measured == 0).sum()),
        "rungs": dict(Counter(ticks["rung"].tolist()).most_common()),
        "period_s": _quantiles(np.diff(began)),
        "reading_to_command_s": _quantiles((written - ticks["answers_ns"])[answered]),
    }


def _quantiles(ns: NDArray[np.int64]) -> Mapping[str, float] | None:
    if len(ns) == 0:
        return None
    p50, p99 = np.percentile(ns, [50, 99]) * 1e-9
    return {"p50": float(p50), "p99": float(p99), "max": float(ns.max() * 1e-9)}


# ---- for a person ------------------------------------------------------------------------------


def show(recording: RecordingData, *, json: bool = False) -> None:
    """Print the summary, as tables or as JSON."""
    document = summary(recording)
    if json:
        print(json_format.dumps(document, indent=1))
        return
    console = Console(highlight=False)
    console.print(_overview(document))
    console.print(_topic_table(document))
    if document["episodes"]:
        console.print(_episode_table(document["episodes"]))
        _show_broken_off(console, document["episodes"])
    if document["learnt"]:
        console.print(_learnt_table(document["learnt"]))
    for note in document["notes"]:
        console.print(f"[bold red]incomplete[/]  {escape(note)}", soft_wrap=True)


def _overview(document: dict[str, Any]) -> Table:
    table = Table(title=escape(document["file"]), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    origin, timing = document["metadata"], document["timing"]
    rows = [
        ("began", document["started_at"] or "never"),
        ("lasts", f"{document['duration_s']:.1f} s"),
        ("holds", f"{document['messages']} messages of {len(document['topics'])} topics"),
    ]
    if origin is None:
        rows.append(("origin", "unknown: another program wrote it"))
    else:
        unit = f", unit {origin['unit']}" if origin["unit"] else ""
        rows += [
            ("robot", f"{origin['robot_name']}, {origin['robot']}{unit}"),
            ("bundle", f"{origin['bundle_name']} {origin['bundle_digest']}".strip() or "none"),
            ("commit", origin["git_commit"]),
        ]
    rows += [
        ("readings", _counts_text(document["rejections"])),
        ("safety", _counts_text(document["safety_events"]) or "no events"),
    ]
    if timing:
        rows += [
            ("ticks", f"{timing['ticks']}, {timing['missed']} deadlines missed, "
             f"{timing['failed_readings']} readings failed"),
            ("period", _quantiles_text(timing["period_s"])),
            ("reading to command", _quantiles_text(timing["reading_to_command_s"])),
        ]  # fmt: skip
    for name, text in rows:
        table.add_row(name, escape(text))
    return table


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _quantiles_text(quantiles: Mapping[str, float] | None) -> str:
    if quantiles is None:
        return "none"
    return ", ".join(f"{name} {1e3 * value:.2f} ms" for name, value in quantiles.items())


def _topic_table(document: dict[str, Any]) -> Table:
    table = Table(title="topics", title_justify="left")
    table.add_column("topic")
    for column in ("messages", "per second"):
        table.add_column(column, justify="right")
    table.add_column("type")
    for name, topic in document["topics"].items():
        rate = "" if topic["rate_hz"] is None else f"{topic['rate_hz']:.1f}"
        # What is not ours may be of any package.
        kind = topic["type"].rpartition("/")[2] if name in TOPICS else topic["type"]
        table.add_row(escape(name), str(topic["messages"]), rate, escape(kind))
    return table


def _episode_table(episodes: list[dict[str, Any]]) -> Table:
    """Trial and episode as in "0.2"."""
    table = Table(title="episodes", title_justify="left")
    for column in ("task", "condition"):
        table.add_column(column, no_wrap=True)
    for column in ("trial", "return", "success", "held", "evidence", "KL"):
        table.add_column(column, justify="right", no_wrap=True)
    for item in episodes:
        table.add_row(
            item["task"],
            item["condition"],
            f"{item['trial']}.{item['episode']}",
            f"{item['total_reward']:.2f}",
            "yes" if item["is_success"] else "no",
            f"{item['success_fraction']:.0%}",
            str(item["num_transitions"]),
            f"{item['kl_from_prior']:.2f}",
        )
    return table


def _learnt_table(learnt: list[dict[str, Any]]) -> Table:
    """One line a trial, as the policy counts them."""
    table = Table(title="learnt between episodes", title_justify="left")
    for name in learnt[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for item in learnt:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in item.values()))
    return table


def _show_broken_off(console: Console, episodes: list[dict[str, Any]]) -> None:
    """Which episodes were not completed, and why."""
    for item in episodes:
        if item["outcome"] != "completed":
            name = f"{item['task']} {item['condition']} {item['trial']}.{item['episode']}"
            text = escape(f"{name}: {item['reason']}")
            console.print(f"[bold red]{item['outcome']}[/]  {text}", soft_wrap=True)
