"""Which parts of a folder's unit are to be read, from a position on, and that they are still what was read before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from headrace.endpoints.sources.files_parts import Cut, Mark, OpenPart
from headrace.endpoints.sources.files_plan import Found, cuts
from headrace.endpoints.sources.files_policy import ReadPolicy
from headrace.endpoints.sources.local_files_parts import Part
from headrace.endpoints.sources.local_files_position import Position, earlier_than, first_unread, to_json
from headrace.endpoints.sources.local_files_units import Unit
from headrace.errors import SourceReplaced, SourceRewound


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    unit: Unit
    open: Callable[[Part], OpenPart]
    policy: ReadPolicy
    position: Position | None


def found(planning: Planning) -> Iterator[Found]:
    unit, position = planning.unit, planning.position
    if position is not None and unit.kind == "files":
        _refuse_renamed(planning, position)
    first = 0 if position is None else first_unread(unit, position)
    rows = 0 if position is None else position.rows
    columns = () if position is None else position.mark.columns
    for index, part in enumerate(unit.parts):
        if index < first or (part.size == 0 and unit.kind != "file"):
            continue
        if planning.policy.limit is not None and rows >= planning.policy.limit:
            return
        opened, is_growing = planning.open(part), _is_growing(planning, index)
        try:
            if position is not None and part.name == position.part:
                mark = _gone_on(opened, part, position, unit)
            else:
                mark = replace(opened.begin(is_growing=is_growing), columns=columns)
            for cut in cuts(opened, mark, planning.policy, rows, is_growing=is_growing):
                rows, columns = rows + cut.rows, cut.end.columns
                reached = _reached(planning, opened, index, cut, rows)
                yield Found(path=part.path, cut=cut, identity=reached.identity, reached=to_json(reached, unit))
        finally:
            opened.close()


def _refuse_renamed(planning: Planning, position: Position) -> None:
    """A log that rotates gives what was read another name, under which it is read again, or not gone on with."""
    parts = planning.unit.parts
    if any((part.name, part.inode) == (position.part, position.inode) for part in parts):
        return
    for part in parts:
        if part.inode == position.inode and _holds_what_was_read(planning, position, part):
            raise SourceReplaced(
                f"{position.part!r}, which was read, is called {part.name!r} now. Where files are renamed, as those of "
                "a log that rotates, rows would be read twice or left out. Have the log rotate to names that sort in "
                "the order of their ages, such as app-2026-01-31.log, and read only those: app-*.log.",
                role="source",
                details={"part": part.name},
            )


def _holds_what_was_read(planning: Planning, position: Position, part: Part) -> bool:
    """Whether it is the file of the position, and not one that came to its place on the disk when it was gone.

    Such a one was written later, and so was the file itself only if it has more now.
    """
    has_more = planning.unit.format in ("csv", "jsonl") and part.size > position.mark.at
    if part.written > position.earlier.changed and not has_more:
        return False
    opened = planning.open(part)
    try:
        return opened.identity(position.mark) == position.identity
    except SourceRewound:
        return False
    finally:
        opened.close()


def _is_growing(planning: Planning, index: int) -> bool:
    """Only the last file gets more lines; those before it are done."""
    return planning.policy.is_incremental and index == len(planning.unit.parts) - 1


def _gone_on(opened: OpenPart, part: Part, position: Position, unit: Unit) -> Mark:
    if opened.identity(position.mark) != position.identity:
        raise SourceReplaced(
            f"What was read of {'/'.join(part.path) or unit.unit_id} is not there any more: the file was replaced or "
            "changed. If that was meant, reset the unit to read everything again.",
            role="source",
            details={"unitId": unit.unit_id},
        )
    return opened.resume(position.mark)


def _reached(planning: Planning, opened: OpenPart, index: int, cut: Cut, rows: int) -> Position:
    return Position(
        phase="follow" if planning.policy.is_incremental else "load",
        part=planning.unit.parts[index].name,
        mark=cut.end,
        identity=opened.identity(cut.end),
        rows=rows,
        inode=planning.unit.parts[index].inode,
        earlier=earlier_than(planning.unit, index),
    )
