"""Recording beside a loop that may not wait for a disk: on a thread of its own.

What the disk cannot keep up with is dropped, never waited for, and the file says how much is
missing; that a recording has failed is raised at the next call, whichever it is.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sim2real.recording.cdr import Values
from sim2real.recording.writer import Recording
from sim2real.stop_signal import stop_put_off

MAX_WAITING = 20_000
"""messages: a minute of everything at 100 Hz"""


class BackgroundRecording:
    """A `Recording` that any thread may write to without waiting. It owns the recording.

    Messages are plain values and must not be changed after they were handed over.
    """

    def __init__(self, recording: Recording, *, max_waiting: int = MAX_WAITING) -> None:
        self.recording = recording
        self._dropped: Counter[str] = Counter()
        """by topic; told to the recording at its end, for its lock may be held by a slow write"""
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._max_waiting = max_waiting
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def write(self, topic: str, message: Values, log_ns: int) -> None:
        """As `Recording.write`, later. Raises what an earlier message ended in."""
        self._raise()
        if self._jobs.qsize() >= self._max_waiting:
            self._dropped[topic] += 1
        else:
            self._jobs.put(lambda: self.recording.write(topic, message, log_ns))

    def flush(self) -> None:
        """Wait until all that was handed over survives the death of the process."""
        self._wait_for(self.recording.flush)

    def sync(self) -> None:
        """Wait until all that was handed over survives a loss of power."""
        self._wait_for(self.recording.sync)

    def close(self) -> None:
        """Write the rest, finish the file, end the thread. Raises what has failed until then."""
        with stop_put_off():  # between the thread's end and the file's, it would stay nameless
            if self._thread.is_alive():
                self._jobs.put(None)
                self._thread.join()
                for topic, count in self._dropped.items():
                    self.recording.miss(topic, count)
            self.recording.close()
        self._raise()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _wait_for(self, work: Callable[[], None]) -> None:
        self._raise()
        done = threading.Event()
        self._jobs.put(work)
        self._jobs.put(done.set)
        done.wait()
        self._raise()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException as error:  # raised at the next call
                self._error = self._error or error

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
