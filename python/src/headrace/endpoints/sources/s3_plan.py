"""Which objects of a unit are to be read, from a checkpoint on, and the checkpoints this source writes.

A checkpoint names one object, a place in it and whether that is its end, and
which objects were read; nobody else reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from headrace.endpoints.sources.files_parts import Mark, OpenPart, mark_from_json
from headrace.endpoints.sources.files_plan import Found, begun, cuts, knowing_the_last
from headrace.endpoints.sources.files_policy import ReadPolicy
from headrace.endpoints.sources.s3_parts import ObjectPart, ObjectUnit
from headrace.endpoints.sources.s3_seen import Reading, Seen, seen_from_json, sorted_out
from headrace.errors import ConfigInvalid, SourceReplaced
from headrace.protocol import Json

Phase = Literal["load", "follow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """``load``: a full read in progress. ``follow``: everything up to here was read; what comes next is new."""

    phase: Phase
    part: str
    identity: str
    mark: Mark
    is_whole: bool
    """The object was read to its end."""
    rows: int
    seen: Seen | None
    """Of a unit of many objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    unit: ObjectUnit
    open: Callable[[ObjectPart], OpenPart]
    policy: ReadPolicy
    position: Position | None


def position_from_json(checkpoint: Json, unit: ObjectUnit) -> Position | None:
    """The position a checkpoint stands for; None for no checkpoint.

    Raises:
        ConfigInvalid: It is not one of ours, or of another format. It is never taken as "no checkpoint".
    """
    match checkpoint:
        case None:
            return None
        case {"version": 1, "of": "object.s3", "format": str(format_)} if format_ != unit.format:
            raise ConfigInvalid(
                f"{unit.unit_id} was read as {format_}, and it is to be read as {unit.format} now. Set the parameter "
                "format back, or reset the unit.",
                role="source",
                details={"field": "format"},
            )
        case {
            "version": 1, "of": "object.s3", "phase": "load" | "follow" as phase, "part": str(part),
            "identity": str(identity), "mark": mark_json, "isWhole": bool(is_whole), "rows": int(rows),
            "seen": seen_json,
        }:  # fmt: skip
            mark, seen = mark_from_json(mark_json), seen_from_json(seen_json)
            if mark is not None and (seen is None) is (unit.kind != "files"):
                return Position(
                    phase=phase, part=part, identity=identity, mark=mark, is_whole=is_whole, rows=rows, seen=seen
                )
        case _:
            pass
    raise ConfigInvalid(
        f"The checkpoint of {unit.unit_id} cannot be read: object.s3 did not write it, or a newer version did. "
        "Reset the unit to begin again.",
        role="source",
    )


def found(planning: Planning) -> Iterator[Found]:
    unit, position, policy = planning.unit, planning.position, planning.policy
    unfinished, waiting, reading = _divided(planning)
    rows = 0 if position is None else position.rows
    columns = () if position is None else position.mark.columns
    for part in waiting:
        if policy.limit is not None and rows >= policy.limit:
            return
        opened = planning.open(part)
        try:
            if position is not None and part is unfinished:
                mark = _gone_on(opened, position, unit)
            else:
                mark = replace(begun(opened, policy, is_growing=False), columns=columns)
                reading.add(part)
            for cut, is_last in knowing_the_last(cuts(opened, mark, policy, rows, is_growing=False)):
                rows, columns = rows + cut.rows, cut.end.columns
                identity = opened.identity(cut.end)
                reached = _json(planning, part, cut.end, identity, rows, reading, is_whole=is_last)
                yield Found(path=part.path, cut=cut, identity=identity, reached=reached)
        finally:
            opened.close()


def _divided(planning: Planning) -> tuple[ObjectPart | None, list[ObjectPart], Reading]:
    """The object that was begun, all that wait to be read, and what was read."""
    unit, position = planning.unit, planning.position
    if position is None:
        return None, list(unit.parts), Reading()
    if position.seen is None:
        read, new = _after(unit, position)
    else:
        read, new = sorted_out(unit.unit_id, unit.parts, position.seen, is_merged=planning.policy.is_merged)
    reading = Reading.of(read)
    if position.is_whole:
        return None, new, reading
    begun = next((part for part in read if part.name == position.part), None)
    if begun is None:
        raise _not_to_its_end(unit, position)
    return begun, [begun, *new], reading


def _after(unit: ObjectUnit, position: Position) -> tuple[list[ObjectPart], list[ObjectPart]]:
    names = [part.name for part in unit.parts]
    if position.part not in names:
        raise SourceReplaced(
            f"The slice {position.part} of {unit.unit_id}, which was read last, is gone: it was written anew. "
            "Reset the unit to read it again.",
            role="source",
        )
    last = names.index(position.part) + 1
    return list(unit.parts[:last]), list(unit.parts[last:])


def _gone_on(opened: OpenPart, position: Position, unit: ObjectUnit) -> Mark:
    if opened.identity(position.mark) != position.identity:
        raise _not_to_its_end(unit, position)
    return opened.resume(position.mark)


def _not_to_its_end(unit: ObjectUnit, position: Position) -> SourceReplaced:
    return SourceReplaced(
        f"{position.part or unit.unit_id!r} was replaced or deleted before it was read to its end. If that was meant, "
        "reset the unit to read everything again.",
        role="source",
        details={"unitId": unit.unit_id},
    )


def _json(
    planning: Planning, part: ObjectPart, mark: Mark, identity: str, rows: int, reading: Reading, *, is_whole: bool
) -> Json:
    return {
        "version": 1,
        "of": "object.s3",
        "phase": "follow" if planning.policy.is_incremental else "load",
        "format": planning.unit.format,
        "part": part.name,
        "identity": identity,
        "mark": mark.json(),
        "isWhole": is_whole,
        "rows": rows,
        "seen": reading.seen().json() if planning.unit.kind == "files" else None,
    }
