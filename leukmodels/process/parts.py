"""Exchangeable parts: those of this project, and those that other installed packages add by an entry point."""

import importlib.metadata
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Part(Protocol):
    """What can be added: it has a name of its own."""

    @property
    def name(self) -> str:
        """What users and files call it."""


P = TypeVar("P", bound=Part)


def registered(group: str, built_in: Sequence[P]) -> dict[str, P]:
    """Return the parts by name: those built in, then those of the entry points in ``group``.

    ValueError where two have one name: a study's file must mean the same part on every machine.
    """
    parts: dict[str, P] = {}
    for part in (*built_in, *(entry.load() for entry in importlib.metadata.entry_points(group=group))):
        if part.name in parts:
            raise ValueError(f"two parts of {group} are called {part.name!r}")
        parts[part.name] = part
    return parts
