"""What a checkpoint is still good for: the read it was taken in, over the order it was taken in, and no other."""

from __future__ import annotations

from dataclasses import replace

from headrace.endpoints.sources.postgres_cursor import CursorBound
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.sources.postgres_position import CursorPosition, LoadPosition, PagesPosition, Position
from headrace.endpoints.sources.postgres_ranges import Order
from headrace.errors import SchemaChanged, SourceReplaced
from headrace.source_policy import invalid


def refuse_misfit(position: Position | None, order: Order, policy: ReadPolicy) -> None:
    """Raises ``ConfigInvalid``, ``SchemaChanged`` or ``SourceReplaced``: what differs, and what to do."""
    if position is None:
        return
    if isinstance(position, PagesPosition):
        raise pages_are_gone(order.relation.unit_id)
    if policy.cursor_field is not None:
        _refuse_other_cursor(position, policy.cursor_field, order.relation.unit_id)
    if position.key_columns != order.key_names:
        raise _no_place(
            order, f"the key was ({', '.join(position.key_columns)}) and is ({', '.join(order.key_names)}) now", None
        )
    is_cursor = isinstance(position, CursorPosition)
    if order.cursor is None and (is_cursor or position.then is not None):
        raise invalid(
            "mode",
            f"{order.relation.unit_id} was read by what changed, and that read did not end well; a full read now would "
            "mix its rows with those. Reset the unit to load it anew, or go on with mode incremental.",
        )
    names = (position.field, *order.key_names) if isinstance(position, CursorPosition) else order.key_names
    are = order.kinds if is_cursor else order.key_kinds
    for name, was, is_now in zip(names, position.kinds or are, are, strict=True):
        if was != is_now:
            raise _no_place(order, f"{name} was {was} and is {is_now} now", name)


def first_bound(bound: CursorBound, then: CursorPosition) -> CursorBound:
    """A load goes on to the bound of its first snapshot: what came later is for the incremental reads."""
    return replace(bound, top=then.at, is_capped=True, ties=then.ties)


def pages_are_gone(unit_id: str) -> SourceReplaced:
    return SourceReplaced(
        f"{unit_id} has no key, so a read of it that stopped in the middle cannot go on: the snapshot it was "
        "taken from is gone. Where its rows were appended, remove them, and reset the unit to begin again; staged on "
        "local_disk such a table is read in one piece.",
        role="source",
    )


def _refuse_other_cursor(position: CursorPosition | LoadPosition, field: str, unit_id: str) -> None:
    cursor = position.then if isinstance(position, LoadPosition) else position
    if cursor is None:
        raise invalid(
            "mode",
            f"A full read of {unit_id} is in progress, and mode is incremental now. Finish it, or reset the unit.",
        )
    if cursor.field != field:
        raise invalid(
            "cursorField",
            f"{unit_id} was read by {cursor.field}, and cursorField is {field} now. "
            f"Set it back to {cursor.field}, or reset the unit.",
        )


def _no_place(order: Order, what: str, column: str | None) -> SchemaChanged:
    return SchemaChanged(
        f"The checkpoint names no place in {order.relation.unit_id} any more: {what}. Reset the unit.",
        role="source",
        details={} if column is None else {"column": column},
    )
