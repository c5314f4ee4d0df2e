"""How files are divided into slices: part by part, each cut at the end of a record.

What is there when the plan is made is what it reads. A slice is cut when the one
before it is done, and never reaches from one file into the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from headrace.endpoints.sources.local_files_parts import Cut, Mark, OpenPart, Part, Want
from headrace.endpoints.sources.local_files_policy import ReadPolicy
from headrace.endpoints.sources.local_files_position import Position, earlier_than, first_unread, to_json
from headrace.endpoints.sources.local_files_units import Unit
from headrace.errors import SourceReplaced, SourceRewound
from headrace.protocol import Json
from headrace.staging import Slice

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    unit: Unit
    open: Callable[[Part], OpenPart]
    policy: ReadPolicy
    position: Position | None
    checkpoint: Json
    next_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A cut, and where reading it ends."""

    part: Part
    cut: Cut
    position: Position


def slices(planning: Planning) -> Iterator[Slice]:
    """One after the other. Those of a full read end without a checkpoint."""
    found, is_full = _found(planning), not planning.policy.is_incremental
    seq, start = planning.next_seq, planning.checkpoint
    for each, is_last in _knowing_the_last(found) if is_full else ((each, False) for each in found):
        end = None if is_last else to_json(each.position, planning.unit)
        bounds = {
            "path": list(each.part.path),
            "format": planning.unit.format,
            "cut": each.cut.json(),
            "identity": each.position.identity,
        }
        yield Slice(seq=seq, bounds=bounds, from_checkpoint=start, to_checkpoint=end)
        seq, start = seq + 1, end
    if is_full and planning.position is not None and seq == planning.next_seq:
        # A load was in progress, and nothing is left: it still has to end.
        yield Slice(seq=seq, bounds=None, from_checkpoint=start, to_checkpoint=None)


def _found(planning: Planning) -> Iterator[_Found]:
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
        opened = planning.open(part)
        try:
            if position is not None and part.name == position.part:
                mark = _gone_on(opened, part, position, unit)
            else:
                mark = replace(opened.begin(is_growing=_is_growing(planning, index)), columns=columns)
            for cut in _cuts(opened, mark, planning, index, rows):
                rows, columns = rows + cut.rows, cut.end.columns
                yield _Found(part=part, cut=cut, position=_reached(planning, opened, index, cut, rows))
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


def _cuts(opened: OpenPart, mark: Mark, planning: Planning, index: int, rows: int) -> Iterator[Cut]:
    policy = planning.policy
    while True:
        left = policy.slice_rows if policy.limit is None else min(policy.slice_rows, policy.limit - rows)
        want = Want(rows=left, size=policy.slice_bytes, is_growing=_is_growing(planning, index))
        cut = opened.cut(mark, want) if left > 0 else None
        if cut is None:
            return
        yield cut
        mark, rows = cut.end, rows + cut.rows


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


def _knowing_the_last(items: Iterator[_Item]) -> Iterator[tuple[_Item, bool]]:
    held = next(items, None)
    while held is not None:
        after = next(items, None)
        yield held, after is None
        held = after
