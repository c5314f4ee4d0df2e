"""Which parts of a folder's unit are to be read, from a position on, and that they are still what was read before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from headrace.endpoints.sources.files_compressed import compression_of
from headrace.endpoints.sources.files_names import TEXT
from headrace.endpoints.sources.files_parts import Cut, OpenPart
from headrace.endpoints.sources.files_plan import Found, begun, cuts, knowing_the_last
from headrace.endpoints.sources.files_policy import ReadPolicy
from headrace.endpoints.sources.local_files_parts import Part
from headrace.endpoints.sources.local_files_position import Earlier, Passed, Position, first_unread, to_json
from headrace.endpoints.sources.local_files_units import Unit
from headrace.errors import SourceReplaced, SourceRewound


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    unit: Unit
    open: Callable[[Part], OpenPart]
    plain_identity: Callable[[Part, int], str]
    """Of what a compressed part decompresses to, up to a place."""
    policy: ReadPolicy
    position: Position | None


def found(planning: Planning) -> Iterator[Found]:
    unit, position = planning.unit, planning.position
    if position is not None and unit.kind == "files":
        _refuse_compressed_since(planning, position)
        _refuse_renamed(planning, position)
    first = 0 if position is None else first_unread(unit, position)
    rows = 0 if position is None else position.rows
    columns = () if position is None else position.mark.columns
    passed = Passed(unit.parts)
    for index, part in enumerate(unit.parts):
        if index < first or (part.size == 0 and unit.kind != "file"):
            continue
        if planning.policy.limit is not None and rows >= planning.policy.limit:
            return
        opened, is_growing = planning.open(part), _is_growing(planning, index)
        try:
            if position is not None and part.name == position.part:
                _refuse_changed(opened, part, position, unit)
                if position.is_whole:
                    continue
                mark = opened.resume(position.mark)
            else:
                mark = replace(begun(opened, planning.policy, is_growing=is_growing), columns=columns)
            found_cuts = cuts(opened, mark, planning.policy, rows, is_growing=is_growing)
            earlier = passed.before(index)
            for cut, is_whole in _told_of_the_end(part, found_cuts):
                rows, columns = rows + cut.rows, cut.end.columns
                reached = _reached(planning, opened, earlier, cut, rows, is_whole=is_whole)
                yield Found(path=part.path, cut=cut, identity=reached.identity, reached=to_json(reached, unit))
        finally:
            opened.close()


def _told_of_the_end(part: Part, found_cuts: Iterator[Cut]) -> Iterator[tuple[Cut, bool]]:
    """Each cut, and whether it ends a part that never gets more: there is no need to decompress that again."""
    if compression_of(part.name) is None:
        return ((cut, False) for cut in found_cuts)
    return knowing_the_last(found_cuts)


def _refuse_compressed_since(planning: Planning, position: Position) -> None:
    """What was read of a plain file must not be read again because the file is compressed now, by another name."""
    if planning.unit.format not in TEXT or compression_of(position.part) is not None:
        return
    for part in planning.unit.parts:
        is_new = compression_of(part.name) is not None and part.name > position.part and part.size > 0
        if is_new and planning.plain_identity(part, position.mark.at) == position.identity:
            raise SourceReplaced(
                f"{position.part!r}, which was read, was compressed and is called {part.name!r} now, so its rows would "
                "be read twice or left out. Let logs be compressed when they rotate, and read only those, as "
                "app-*.log.gz; or compress them to where the pattern does not match.",
                role="source",
                details={"part": part.name},
            )


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
    grows = planning.unit.format in TEXT and compression_of(part.name) is None
    has_more = grows and part.size > position.mark.at
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
    """Only the last file gets more lines, unless it is compressed; those before it are done."""
    is_last = index == len(planning.unit.parts) - 1
    return planning.policy.is_incremental and is_last and compression_of(planning.unit.parts[index].name) is None


def _refuse_changed(opened: OpenPart, part: Part, position: Position, unit: Unit) -> None:
    if opened.identity(position.mark) != position.identity:
        raise SourceReplaced(
            f"What was read of {'/'.join(part.path) or unit.unit_id} is not there any more: the file was replaced or "
            "changed. If that was meant, reset the unit to read everything again.",
            role="source",
            details={"unitId": unit.unit_id},
        )


def _reached(
    planning: Planning, opened: OpenPart, earlier: Earlier, cut: Cut, rows: int, *, is_whole: bool
) -> Position:
    part = planning.unit.parts[earlier.parts]
    return Position(
        phase="follow" if planning.policy.is_incremental else "load",
        part=part.name,
        mark=cut.end,
        identity=opened.identity(cut.end),
        rows=rows,
        inode=part.inode,
        earlier=earlier,
        is_whole=is_whole,
    )
