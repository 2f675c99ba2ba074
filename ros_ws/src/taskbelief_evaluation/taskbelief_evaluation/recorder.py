"""Recordings of a hand's topics: one file after the other, each complete in itself."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sim2real.contract.robot_spec import RobotSpec
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.topics import TOPICS
from sim2real.recording.writer import Recording
from taskbelief_evaluation.tap import decoded

STANDING = ("bundle_info", "robot_description")
"""published once: every file gets the latest of each, or it would not explain itself"""
MAX_HELD = 20_000
"""messages that may wait until it is known which bundle speaks: a minute at 100 Hz"""


class Recorder:
    """Writes what `take` is given. A file is opened once the bundle is known that it belongs to.

    `take` and `lose` are called by one thread, `begin` and `close` by any.
    """

    def __init__(self, spec: RobotSpec, *, robot: str, unit: str, namespace: str) -> None:
        self.counts: Counter[str] = Counter()
        """messages written, by topic, in all files"""
        self._metadata = RecordingMetadata.of(spec, robot=robot, unit=unit)
        self._namespace = namespace
        self._lock = threading.RLock()
        self._lost: Counter[str] = Counter()
        self._standing: dict[str, bytes] = {}
        self._held: list[tuple[str, bytes, int]] = []
        self._path: Path | None = None
        self._more: Mapping[str, Mapping[str, str]] = {}
        self._recording: Recording | None = None

    @property
    def path(self) -> Path | None:
        """Of the file that is being written; None between two."""
        return self._path

    def begin(self, path: Path, more: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """End the file before, and write what comes from now on into this one.

        `more` are further metadata records, by name.
        """
        with self._lock:
            self.close()
            self._path, self._more = path, more or {}
            for name, message in self._standing.items():
                self._held.append((name, message, time.time_ns()))
            self._open_if_known()

    def take(self, name: str, message: bytes, received_ns: int) -> None:
        """Record a message of a topic."""
        with self._lock:
            if name in STANDING:
                self._standing[name] = message
            if self._path is None:
                return
            self._held.append((name, message, received_ns))
            self._open_if_known()
            if self._recording is None and len(self._held) > MAX_HELD:
                self._open()
            self._write_held()

    def lose(self, name: str, count: int) -> None:
        """Messages of a topic never came: the file that is being written says so."""
        with self._lock:
            if self._path is not None and name in TOPICS:
                self._lost[name] += count

    def sync(self) -> None:
        """What has come survives a loss of power."""
        with self._lock:
            if self._recording is not None:
                self._recording.sync()

    def close(self) -> None:
        """Finish the file, if one was begun."""
        with self._lock:
            if self._path is None:
                return
            if self._recording is None:
                self._open()
            assert self._recording is not None
            self._write_held()
            for name, count in self._lost.items():
                self._recording.miss(name, count)
            self._lost.clear()
            self._recording.close()
            self._recording = self._path = None

    def _open_if_known(self) -> None:
        if self._recording is None and "bundle_info" in self._standing:
            self._open()

    def _open(self) -> None:
        assert self._path is not None
        metadata = self._metadata
        if "bundle_info" in self._standing:
            info = decoded("bundle_info", self._standing["bundle_info"])
            metadata = dataclasses.replace(
                metadata, bundle_name=info.name, bundle_digest=info.digest
            )
        self._recording = Recording(
            self._path, metadata, namespace=self._namespace, more=self._more
        )

    def _write_held(self) -> None:
        if self._recording is None:
            return
        for name, message, received_ns in self._held:
            if name in TOPICS:
                self._recording.write_cdr(name, message, received_ns)
                self.counts[name] += 1
        self._held.clear()
