"""What the matrix of types needs of a source and of a sink: a corpus that the source has, and a stranger's look.

An origin makes one unit with a column for each case, the first of which is
``id``, a number for each row. A destination gives a fresh place every time it is
asked and tells what is there without the code that wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fidelity.telling import Told

from headrace.endpoint import SinkEndpoint, SourceEndpoint

KEY = "id"


@dataclass(frozen=True)
class Found:
    """A column as a stranger finds it in the sink."""

    type: str
    """As people of that system spell it."""
    meaning: str
    values: Told


class Origin(Protocol):
    unit_id: str
    policy: Mapping[str, Any]
    """How a run reads it, beside the columns."""

    def columns(self) -> Mapping[str, str]:
        """Each column but ``id``, with what it means."""
        ...

    def told(self, columns: Sequence[str]) -> Mapping[str, Told]:
        """Their values by order of ``id``, told by the system itself and not by the source endpoint."""
        ...

    def open(self, columns: Sequence[str]) -> SourceEndpoint:
        """The source, over what has ``id`` and these columns at least; a run reads no other."""
        ...


class Place(Protocol):
    """Where one run writes to."""

    def open(self) -> SinkEndpoint: ...

    def found(self) -> Mapping[str, Found]:
        """What is there, by order of ``id``."""
        ...

    def writers(self) -> set[str]:
        """Which programs the sink's own files say they were written by; empty where there are none."""
        ...
