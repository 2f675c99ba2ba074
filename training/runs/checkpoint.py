"""Checkpoints: everything that decides what a run does next, in one folder per iteration.

A folder is written beside and renamed, so that it is there whole or not at all, also after
`kill -9`. Replay buffers lie in blocks; a block that has not changed since the checkpoint before
is a hard link to that one's file. `index.json` holds the SHA-256 of every file, and loading
refuses a folder that does not match. Reading executes nothing: tensors are loaded with
`weights_only`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import naming
from sim2real.contract.text_file import read_json
from training.algorithms.learner import Learner
from training.parts.replay import Replay

NUM_KEPT = 2
"""the latest one, and the one before in case a disk damages the latest"""


class CheckpointStore:
    """The `checkpoints/` folder of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._revisions: dict[str, Any] = {}
        self._previous: Path | None = None
        self._digests: dict[str, str] = {}

    def iterations(self) -> list[int]:
        """Iterations with a checkpoint, oldest first."""
        return sorted(int(path.name) for path in self.folder.glob("[0-9]*"))

    def path(self, iteration: int) -> Path:
        return self.folder / f"{iteration:07d}"

    def save(self, learner: Learner, iteration: int) -> Path:
        """Write the checkpoint after `iteration` iterations; drop all but the latest two.

        Raises `OSError` when the disk is full; nothing is left of the attempt then.
        """
        final = self.path(iteration)
        part = self.folder / f".part-{iteration:07d}"
        shutil.rmtree(part, ignore_errors=True)
        try:
            self._write(learner, iteration, part)
            shutil.rmtree(final, ignore_errors=True)  # left by a run that was resumed before it
            part.replace(final)
        except BaseException:  # a disk that is full, a second Ctrl-C
            shutil.rmtree(part, ignore_errors=True)
            raise
        self._previous = final
        for old in self.iterations()[:-NUM_KEPT]:
            shutil.rmtree(self.path(old))
        return final

    def _write(self, learner: Learner, iteration: int, part: Path) -> None:
        part.mkdir(parents=True)
        snapshot = learner.state.snapshot()
        content = io.BytesIO()
        torch.save(snapshot.tensors, content)
        _write(part / "tensors.pt", content.getvalue())
        replays, linked = {}, dict[str, str]()
        for name, replay in snapshot.replays.items():
            linked |= self._write_replay(name, replay, part)
            replays[name] = {"size": replay.size.tolist(), "cursor": replay.cursor.tolist()}
        document = {"iteration": iteration, "counters": snapshot.counters, "replays": replays}
        _write(part / "counters.json", json.dumps(document).encode())
        fresh = (path for path in sorted(part.iterdir()) if path.name not in linked)
        self._digests = linked | {path.name: _sha256(path) for path in fresh}
        _write(part / "index.json", json.dumps(self._digests, indent=1).encode())

    def _write_replay(self, name: str, replay: Replay, part: Path) -> dict[str, str]:
        """Write or link every block; return the digests of the linked ones."""
        known, linked = self._revisions.get(name), {}
        for task in range(len(replay.size)):
            for index in range(replay.num_blocks(task)):
                file = f"{name}-{task:04d}-{index:04d}.npy"
                is_unchanged = (
                    known is not None and known[task, index] == replay.revision[task, index]
                )
                if is_unchanged and self._previous is not None:
                    _link(self._previous / file, part / file)
                    linked[file] = self._digests[file]
                else:
                    content = io.BytesIO()
                    np.save(content, replay.block(task, index))
                    _write(part / file, content.getvalue())
        self._revisions[name] = replay.revision.copy()
        return linked

    def load_latest(self, learner: Learner) -> int:
        """Restore the newest whole checkpoint; return the number of iterations it has behind it.

        Raises `BadInput` when there is none.
        """
        damage = "no checkpoint"
        for iteration in reversed(self.iterations()):
            folder = self.path(iteration)
            damage = _damage(folder)
            if not damage:
                self._restore(learner, folder)
                return iteration
        raise BadInput(str(self.folder), "checkpoints", found=damage, expected="a whole one")

    def _restore(self, learner: Learner, folder: Path) -> None:
        document = read_json(folder / "counters.json", "counters of a checkpoint")
        for name, replay in learner.state.snapshot().replays.items():
            replay.restore(**document["replays"][name], blocks=_blocks(folder, name))
            self._revisions[name] = replay.revision.copy()
        tensors = torch.load(folder / "tensors.pt", weights_only=True, map_location="cpu")
        learner.state.restore(tensors, document["counters"])
        self._previous = folder
        self._digests = read_json(folder / "index.json", "index of a checkpoint")


def _blocks(folder: Path, name: str) -> Iterator[tuple[int, int, np.ndarray]]:
    for path in sorted(folder.glob(f"{name}-*.npy")):
        _, task, index = path.stem.rsplit("-", 2)
        yield int(task), int(index), np.load(path)


def _write(path: Path, content: bytes) -> None:
    """As `write_bytes`, but the error of a full disk names the file.

    Torch and numpy writing by themselves report it as something else.
    """
    with naming(path):
        path.write_bytes(content)


def _link(existing: Path, new: Path) -> None:
    try:
        os.link(existing, new)
    except OSError:  # a file system without hard links; a full disk fails in the copy too
        shutil.copyfile(existing, new)


def _damage(folder: Path) -> str:
    """What is wrong with a checkpoint; empty when nothing is."""
    try:
        index = read_json(folder / "index.json", "index of a checkpoint")
        wrong = [name for name, digest in index.items() if _sha256(folder / name) != digest]
    except (OSError, BadInput) as error:
        return f"{folder.name}: {error}"
    return f"{folder.name}: {', '.join(wrong)} damaged" if wrong else ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
