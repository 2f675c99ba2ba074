"""A strip of what the policy saw: frames as they entered its eye, from recordings."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from sim2real.contract.camera import Pixels
from sim2real.recording.episodes import Episode
from sim2real.report.episode_trace import EpisodeTrace, Seen
from sim2real.report.figure import Cell, Figure, Panel, Table

NUM_FRAMES = 10
"""of an episode, from its first to its last"""
MAX_TASKS_SEEN = 8
"""so many are kept in the page: a strip is some ten kilobytes"""
SIDE, GAP, BELOW = 84, 6, 18
"""of a frame as it is drawn, between two, and for the words below, in units of the picture"""


def seen_in(episode: Episode) -> tuple[Seen, ...]:
    """Frames spread evenly over an episode; none where the policy was blind."""
    stamps = sorted(episode.frames)
    chosen = np.unique(np.linspace(0, len(stamps) - 1, NUM_FRAMES).round().astype(int))
    begun_ns = int(episode.steps["reading_ns"][0])
    return tuple(
        Seen(
            elapsed_s=(stamps[place] - begun_ns) * 1e-9,
            age_s=(stamps[place] - episode.frames[stamps[place]].stamp_ns) * 1e-9,
            frame=episode.frames[stamps[place]],
        )
        for place in (chosen if stamps else ())
    )


def seen_figure(trials: Mapping[str, Sequence[EpisodeTrace]]) -> Figure | None:
    """Strips of the first and the last episode; one panel per task. None for a blind policy."""
    seeing = {task: trial for task, trial in trials.items() if any(each.seen for each in trial)}
    if not seeing:
        return None
    return Figure(
        name="seen",
        panels=tuple(
            Panel(title=f"What the policy saw: {task}", svg=_strips(task, trial))
            for task, trial in seeing.items()
        ),
        caption="",
        table=_table(seeing),
    )


def _table(trials: Mapping[str, Sequence[EpisodeTrace]]) -> Table:
    rows: list[Sequence[Cell]] = [
        (
            task,
            trace.episode,
            round(seen.elapsed_s, 4),
            round(seen.age_s, 4),
            seen.frame.sequence,
            round(float(seen.frame.pixels.mean()), 2),
        )
        for task, trial in trials.items()
        for trace in trial
        for seen in trace.seen
    ]
    columns = ("task", "episode", "elapsed_s", "age_s", "sequence", "mean_light")
    return Table(columns=columns, rows=rows)


def _strips(task: str, trial: Sequence[EpisodeTrace]) -> Markup:
    shown = [trial[0], trial[-1]] if len(trial) > 1 else [trial[0]]
    width = NUM_FRAMES * (SIDE + GAP)
    height = len(shown) * (SIDE + BELOW + GAP)
    parts = [
        Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            width, height, f"frames that the policy saw, {task}"
        )
    ]
    for row, trace in enumerate(shown):
        top = row * (SIDE + BELOW + GAP)
        for column, seen in enumerate(trace.seen):
            left = column * (SIDE + GAP)
            parts.append(
                Markup(
                    '<image x="{}" y="{}" width="{}" height="{}" href="{}"'
                    ' style="image-rendering:pixelated"/>'
                    '<text x="{}" y="{}" font-size="12">{}</text>'
                ).format(
                    left,
                    top,
                    SIDE,
                    SIDE,
                    data_uri(seen.frame.pixels),
                    left,
                    top + SIDE + BELOW - GAP,
                    f"episode {trace.episode}, 0 s" if column == 0 else f"{seen.elapsed_s:.1f} s",
                )
            )
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def data_uri(pixels: Pixels) -> str:
    """(H, W, 3) uint8 as a PNG within a page, to the bit."""
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def png(pixels: Pixels) -> bytes:
    """(H, W, 3) uint8 as a PNG (ISO/IEC 15948): eight bits, red, green and blue, no filters."""
    height, width, _ = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels))
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
