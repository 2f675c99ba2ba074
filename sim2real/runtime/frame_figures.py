"""What the stamps of a camera's frames say about it, one frame after the other."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sim2real.runtime.pacing import Histogram


class FrameFigures:
    """Intervals between frames in ns, and counts: `frames`, and `missed_frames`, periods of the
    camera in which none was taken.
    """

    def __init__(self, period_s: float) -> None:
        self.intervals = Histogram()
        self.counts: Counter[str] = Counter(frames=0, missed_frames=0)
        self._period_ns = round(period_s * 1e9)
        self._stamp_ns: int | None = None

    def pause(self) -> None:
        """Frames will be left out: the next one has no interval."""
        self._stamp_ns = None

    def take(self, stamp_ns: int) -> None:
        """The next frame, taken at `stamp_ns`."""
        self.counts["frames"] += 1
        if self._stamp_ns is not None:
            interval_ns = stamp_ns - self._stamp_ns
            self.intervals.add(interval_ns)
            self.counts["missed_frames"] += max(round(interval_ns / self._period_ns) - 1, 0)
        self._stamp_ns = stamp_ns

    def into(self, document: dict[str, Any]) -> dict[str, Any]:
        """The figures of a loop, `LoopFigures.as_dict`, with these beside them."""
        times = dict(document["times_s"])
        if self.intervals.count:
            times["frame_interval"] = self.intervals.as_dict()
        counts = {**document["counts"], **self.counts}
        return {**document, "times_s": times, "counts": counts}
