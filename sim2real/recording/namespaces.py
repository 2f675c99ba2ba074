"""Whose topics they are: a file may hold those of several robots, and of other programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sim2real.contract.errors import BadInput
from sim2real.recording.contents import TopicKey
from sim2real.recording.schemas import OURS, full_name
from sim2real.recording.topics import TOPICS


def chosen_namespace(counts: Mapping[TopicKey, int], asked: str | None, where: str) -> str:
    """That of the robot, with a slash at both ends; `asked` is a person's choice among several.

    Raises `BadInput` for several of which none was chosen, and for a choice that is not there.
    """
    ours = [key for key in counts if _is_robots(key)]
    found = _parents([key for key in ours if counts[key]] or ours)
    if asked is None:
        if len(found) > 1:
            remedy = f"choose one with: --namespace {found[0].strip('/') or '/'}"
            expected = "the topics of one robot"
            raise BadInput(where, "namespace", found=found, expected=expected, remedy=remedy)
        return found[0] if found else "/"
    wanted = f"/{asked.strip('/')}/" if asked.strip("/") else "/"
    places = _parents(ours) or _parents(counts)
    if wanted not in places and (ours or wanted != "/"):
        expected = f"one of {', '.join(places)}" if places else "/, for there are no topics"
        raise BadInput(where, "namespace", found=wanted, expected=expected)
    return wanted


def relative_topic(key: TopicKey, namespace: str) -> str | None:
    """The topic's name in a robot's namespace; None for another's, and for what only has the name
    of one that we record.
    """
    topic = _absolute(key.topic)
    name = topic.removeprefix(namespace)
    if not topic.startswith(namespace) or (name in TOPICS and not _is_of_type(name, key.type)):
        return None
    return name


def _parents(topics: Iterable[TopicKey]) -> list[str]:
    return sorted({_absolute(key.topic).rpartition("/")[0] + "/" for key in topics})


def _absolute(topic: str) -> str:
    """Some programs leave the first slash out."""
    return topic if topic.startswith("/") else f"/{topic}"


def _is_robots(key: TopicKey) -> bool:
    """Others may be anywhere: /diagnostics is often everybody's."""
    name = key.topic.rpartition("/")[2]
    is_ours = name in TOPICS and TOPICS[name].type.startswith(f"{OURS}/")
    return is_ours and _is_of_type(name, key.type)


def _is_of_type(name: str, kind: str) -> bool:
    """ROS 2 writes "std_msgs/msg/String", some programs "std_msgs/String"."""
    return kind in (TOPICS[name].type, full_name(TOPICS[name].type))
