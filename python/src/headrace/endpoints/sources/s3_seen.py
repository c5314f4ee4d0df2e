"""Which objects of a unit were read, remembered in little space however many they were.

Objects come in the order of the time that the server gives them, but a large
upload has the time at which it began. So the newest that were read are known one
by one: what comes among them late is read, and one that was replaced is noticed.
Of those before them only their number and two sums are kept.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from headrace.endpoints.sources.s3_parts import ObjectPart
from headrace.errors import SourceReplaced
from headrace.protocol import Json

MOST_KNOWN = 256
_SUMS = 1 << 64
_KEY_DIGITS, _VERSION_DIGITS = 10, 6


@dataclass(frozen=True, slots=True)
class Older:
    """What is kept of the objects before those that are known one by one."""

    count: int = 0
    keys: int = 0
    versions: int = 0

    def with_(self, part: ObjectPart) -> Older:
        keys, versions = (self.keys + _key(part)) % _SUMS, (self.versions + _version(part)) % _SUMS
        return Older(self.count + 1, keys, versions)

    @classmethod
    def of(cls, parts: Iterable[ObjectPart]) -> Older:
        whole = cls()
        for part in parts:
            whole = whole.with_(part)
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """As a checkpoint has it. ``first`` is the order of the oldest that is known by itself."""

    first: tuple[int, str]
    known: tuple[str, ...]
    older: Older

    def json(self) -> Json:
        older = self.older
        return {
            "first": [str(self.first[0]), self.first[1]],
            "known": list(self.known),
            "older": {"count": older.count, "keys": f"{older.keys:016x}", "versions": f"{older.versions:016x}"},
        }


def seen_from_json(json: Json) -> Seen | None:
    match json:
        case {
            "first": [str(modified), str(key)], "known": [*known],
            "older": {"count": int(count), "keys": str(keys), "versions": str(versions)},
        }:  # fmt: skip
            older = Older(count, int(keys, 16), int(versions, 16))
            return Seen(first=(int(modified), key), known=tuple(str(each) for each in known), older=older)
        case _:
            return None


@dataclass(slots=True)
class Reading:
    """What has been read up to here, while a run goes on."""

    parts: list[ObjectPart] = field(default_factory=list[ObjectPart])
    older: Older = field(default_factory=Older)

    @classmethod
    def of(cls, read: Sequence[ObjectPart]) -> Reading:
        ordered = sorted(read, key=lambda part: part.order)
        split = max(0, len(ordered) - MOST_KNOWN)
        return cls(ordered[split:], Older.of(ordered[:split]))

    def add(self, part: ObjectPart) -> None:
        bisect.insort(self.parts, part, key=lambda each: each.order)
        if len(self.parts) > MOST_KNOWN:
            self.older = self.older.with_(self.parts.pop(0))

    def seen(self) -> Seen:
        """Of at least one object."""
        return Seen(first=self.parts[0].order, known=tuple(map(_known, self.parts)), older=self.older)


def sorted_out(
    unit_id: str, listed: Sequence[ObjectPart], seen: Seen, *, is_merged: bool
) -> tuple[list[ObjectPart], list[ObjectPart]]:
    """What of the listing, which is in order, was read, and what is new. Objects that were read may go.

    Raises:
        SourceReplaced: One that was read is another now, and the rows are not ``is_merged``; or something came
            before all that are known one by one, and nobody can tell what.
    """
    known = set(seen.known)
    before = [part for part in listed if part.order < seen.first] if seen.older.count > 0 else []
    after = listed[len(before) :]
    read, new = [p for p in after if _known(p) in known], [p for p in after if _known(p) not in known]
    now = Older.of(before)
    if now.versions != seen.older.versions and now.count >= seen.older.count:
        what = "An object came whose time lies long before what was read last, so it is not known which rows are new."
        raise _replaced(unit_id, what)
    keys = {each[:_KEY_DIGITS] for each in known}
    replaced = [part for part in new if _known(part)[:_KEY_DIGITS] in keys]
    if now.count == seen.older.count - 1:
        gone = [part for part in new if (now.keys + _key(part)) % _SUMS == seen.older.keys]
        same = [part for part in gone if (now.versions + _version(part)) % _SUMS == seen.older.versions]
        read, new = [*read, *same], [part for part in new if part not in same]
        replaced += [part for part in gone if part not in same]
    if replaced and not is_merged:
        raise _replaced(unit_id, f"{replaced[0].found.key!r} was read, and it was replaced since.")
    return [*before, *read], new


def _replaced(unit_id: str, what: str) -> SourceReplaced:
    return SourceReplaced(
        f"{what} Give new objects of {unit_id} keys of their own; or set primaryKeys and merge, so that rows that are "
        "read again replace themselves; or reset the unit.",
        role="source",
        details={"unitId": unit_id},
    )


def _known(part: ObjectPart) -> str:
    return f"{_key(part):016x}"[:_KEY_DIGITS] + f"{_version(part):016x}"[:_VERSION_DIGITS]


def _key(part: ObjectPart) -> int:
    return _number(part.found.key)


def _version(part: ObjectPart) -> int:
    return _number(f"{part.found.key}\n{part.found.etag}")


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
