"""What there is by name: this project's own, and what other installed packages bring.

A package brings something by an entry point of a group `taskbelief.KIND`, say in its pyproject.toml

    [project.entry-points."taskbelief.skills"]
    tap = "my_package.tap:Tap"

What it names is imported when it is asked for, and not before.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar, cast

from sim2real.contract.errors import BadInput

T = TypeVar("T")

GROUP = "taskbelief."
"""what the groups of entry points begin with"""


class Registry(MutableMapping[str, T]):
    """Things of one kind by name; a name that two packages claim is refused.

    Raises `BadInput` naming the package for a clash, and on access for what cannot be imported.
    """

    def __init__(self, kind: str, own: Mapping[str, T]) -> None:
        self.kind = kind
        """plural, and the end of the entry points' group"""
        self._own = dict(own)
        self._found: dict[str, importlib.metadata.EntryPoint] | None = None

    @property
    def _brought(self) -> Mapping[str, importlib.metadata.EntryPoint]:
        """Entry points of other packages by name, looked for once."""
        if self._found is None:
            found: dict[str, importlib.metadata.EntryPoint] = {}
            for point in importlib.metadata.entry_points(group=f"{GROUP}{self.kind}"):
                if point.name in self._own or point.name in found:
                    other = package_of(found[point.name]) if point.name in found else "taskbelief"
                    raise BadInput(
                        f"package {package_of(point)}",
                        f"{self.kind}.{point.name}",
                        found=f"a name that {other} has",
                        expected="another name",
                        remedy="rename it, or uninstall one of the two",
                    )
                found[point.name] = point
            self._found = found
        return self._found

    def package(self, name: str) -> str:
        """Which package brings it; empty for what this project has."""
        return package_of(self._brought[name]) if name in self._brought else ""

    def __getitem__(self, name: str) -> T:
        brought = self._brought
        if name in self._own:
            return self._own[name]
        point = brought[name]
        try:
            self._own[name] = cast(T, point.load())
        except Exception as error:  # whatever somebody else's module does when it is imported
            raise BadInput(
                f"package {package_of(point)}",
                f"{self.kind}.{name}",
                found=f"{type(error).__name__}: {error}",
                expected=f"{point.value} to be imported",
                remedy="mend the package, or uninstall it",
            ) from error
        return self._own[name]

    def __setitem__(self, name: str, value: T) -> None:
        self._own[name] = value

    def __delitem__(self, name: str) -> None:
        del self._own[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._own, *self._brought]))

    def __len__(self) -> int:
        return len({*self._own, *self._brought})

    def __contains__(self, name: Any) -> bool:
        return name in self._own or name in self._brought


def package_of(point: importlib.metadata.EntryPoint) -> str:
    """Name and version of the package that an entry point is from."""
    return "unknown" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def one_of(names: Iterable[str]) -> str:
    """For a person who has to choose."""
    return f"one of {', '.join(names)}"
