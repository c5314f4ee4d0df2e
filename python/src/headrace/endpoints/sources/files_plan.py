"""How files are divided into slices: part by part, each cut at the end of a record.

What is there when the plan is made is what it reads. A slice is cut when the one
before it is done, and never reaches from one file into the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from headrace.endpoints.sources.files_parts import Cut, Mark, OpenPart, Want
from headrace.endpoints.sources.files_policy import ReadPolicy
from headrace.endpoints.systems.files_options import FileFormat
from headrace.protocol import Json
from headrace.staging import Slice

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A cut, and the checkpoint after it."""

    path: tuple[str, ...]
    cut: Cut
    identity: str
    """Of the part, up to the end of the cut."""
    reached: Json


def slices(
    found: Iterator[Found], *, format_: FileFormat, policy: ReadPolicy, checkpoint: Json, next_seq: int
) -> Iterator[Slice]:
    """One after the other, from ``checkpoint`` on. Those of a full read end without a checkpoint."""
    is_full, seq, start = not policy.is_incremental, next_seq, checkpoint
    for each, is_last in knowing_the_last(found) if is_full else ((each, False) for each in found):
        end = None if is_last else each.reached
        bounds = {"path": list(each.path), "format": format_, "cut": each.cut.json(), "identity": each.identity}
        yield Slice(seq=seq, bounds=bounds, from_checkpoint=start, to_checkpoint=end)
        seq, start = seq + 1, end
    if is_full and checkpoint is not None and seq == next_seq:
        # A load was in progress, and nothing is left: it still has to end.
        yield Slice(seq=seq, bounds=None, from_checkpoint=start, to_checkpoint=None)


def begun(opened: OpenPart, policy: ReadPolicy, *, is_growing: bool) -> Mark:
    """Where a part begins, once it is known to be whole. Who reads but its first rows does not wait for that."""
    if policy.limit is None:
        opened.refuse_damaged()
    return opened.begin(is_growing=is_growing)


def cuts(opened: OpenPart, mark: Mark, policy: ReadPolicy, rows: int, *, is_growing: bool) -> Iterator[Cut]:
    """From ``mark`` to the end of the part, or of the policy's limit, of which ``rows`` were read before."""
    while True:
        left = policy.slice_rows if policy.limit is None else min(policy.slice_rows, policy.limit - rows)
        want = Want(
            rows=left,
            size=policy.slice_bytes,
            is_growing=is_growing,
            most_set_aside=policy.most_set_aside,
            columns=policy.columns,
        )
        cut = opened.cut(mark, want) if left > 0 else None
        if cut is None:
            return
        yield cut
        mark, rows = cut.end, rows + cut.rows


def knowing_the_last(items: Iterator[_Item]) -> Iterator[tuple[_Item, bool]]:
    held = next(items, None)
    while held is not None:
        after = next(items, None)
        yield held, after is None
        held = after
