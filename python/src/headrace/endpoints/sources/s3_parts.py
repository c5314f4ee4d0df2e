"""What a unit in a bucket is made of: objects, as a listing or a commit record names them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from headrace.endpoints.sources.files_names import Named
from headrace.objects.bucket import Found

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPart:
    name: str
    """What tells it from the unit's other parts; empty when there is but one."""
    found: Found
    rows: int | None = None
    """As its commit record says."""

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.found.key.split("/"))

    @property
    def size(self) -> int:
        return self.found.size

    @property
    def order(self) -> tuple[int, str]:
        """When the server says it came, in microseconds, and its key: the order in which new objects are read."""
        return (self.found.modified - _EPOCH) // _MICROSECOND, self.found.key


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectUnit(Named):
    folder: str
    parts: tuple[ObjectPart, ...]
    """In the order they are read."""

    @property
    def can_grow(self) -> bool:
        """An object alone never gets another row."""
        return self.kind != "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedObject(Named):
    @property
    def can_grow(self) -> bool:
        return self.kind != "file"
