"""Which episodes of an evaluation are there, and which are not."""

from __future__ import annotations

from collections.abc import Collection

from sim2real.evaluation.header import Header
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.records import EpisodeKey
from sim2real.evaluation.schedule import schedule

NUM_SHOWN = 4


def planned_episodes(header: Header) -> list[EpisodeKey]:
    """All that were to be run on a bench, in order."""
    protocol = TrialProtocol(
        num_episodes=header.num_episodes, num_trials=header.num_trials, seed=header.seed
    )
    has_robust = bool(header.provenance.get("robust"))
    visits = schedule(list(header.tasks), protocol, has_robust=has_robust)
    keys = [key for visit in visits for leg in visit.legs for key in leg.keys]
    return [key for key in keys if key.condition not in header.not_available]


def coverage_note(header: Header, found: Collection[EpisodeKey]) -> str:
    """Which episodes are not among the completed ones, for a person; empty where all are."""
    planned = planned_episodes(header)
    missing = [key for key in planned if key not in found]
    if not missing:
        return ""
    names = [f"{key.task} {key.condition} {key.trial}.{key.episode}" for key in missing]
    more = f" and {len(names) - NUM_SHOWN} more" if len(names) > NUM_SHOWN else ""
    shown = ", ".join(names[:NUM_SHOWN])
    return f"{len(missing)} of {len(planned)} episodes of the evaluation are missing: {shown}{more}"
