"""One row of the doctor's report."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row of the doctor's report."""

    subject: str
    """the port, or a joint or object"""
    name: str
    """what was looked at"""
    verdict: Verdict
    found: str
    advice: str = ""
    """what to do about it"""


def ok(subject: str, name: str, found: str) -> Check:
    return Check(subject=subject, name=name, verdict=Verdict.OK, found=found)


def warning(subject: str, name: str, found: str, advice: str) -> Check:
    return Check(subject=subject, name=name, verdict=Verdict.WARNING, found=found, advice=advice)


def failed(subject: str, name: str, found: str, advice: str) -> Check:
    return Check(subject=subject, name=name, verdict=Verdict.FAILED, found=found, advice=advice)
