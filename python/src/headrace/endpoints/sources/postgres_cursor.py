"""The upper bound of an incremental read: the newest row of the snapshot that no open transaction can overtake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headrace.endpoints.sources.postgres_horizon import Horizon
from headrace.endpoints.sources.postgres_policy import ReadPolicy, invalid
from headrace.endpoints.sources.postgres_position import CursorPosition, Mark
from headrace.endpoints.sources.postgres_ranges import Order, Until
from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_catalog import CatalogColumn, Relation
from headrace.endpoints.systems.postgres_session import quote_qualified
from headrace.endpoints.systems.postgres_types import is_orderable
from headrace.errors import RowRejected, SourceRewound
from headrace.protocol import Json
from headrace.suggestions import did_you_mean

_ENDLESS = ("NaN", "Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorBound:
    order: Order
    top: Mark | None
    """The last row to read; None when there is none."""
    is_capped: bool
    """Rows lie beyond the bound and wait for a later run."""
    has_nulls: bool
    """Rows without cursor are read by the first full pass."""
    delivery: dict[str, Json]

    def position(self) -> CursorPosition:
        order = self.order
        return CursorPosition(field=order.field, key_columns=order.key_names, kinds=order.kinds, at=self.top)

    def until(self) -> Until | None:
        """What a load must leave out so that no later run reads it again; None when its snapshot holds nothing such."""
        if not self.is_capped and self.has_nulls:
            return None
        return Until(field=self.order.field, at=None if self.top is None else self.top.cursor, has_nulls=self.has_nulls)


def cursor_column(relation: Relation, policy: ReadPolicy) -> CatalogColumn:
    """The column of the policy's ``cursorField``. Raises ``ConfigInvalid`` when it cannot carry a cursor."""
    name = policy.cursor_field or ""
    column = relation.column(name)
    if column is None:
        near = did_you_mean(name, [column.name for column in relation.columns])
        raise invalid("cursorField", f"{relation.unit_id} has no column {name} to be the cursor.{near}")
    if not is_orderable(column):
        raise invalid(
            "cursorField",
            f"Column {name} of {relation.unit_id} is {column.shown}, which cannot be a cursor: its values have no "
            "exact order. Choose a timestamp, date, integer, numeric, text or uuid column.",
        )
    if not relation.unique_key:
        raise invalid(
            "mode",
            f"{relation.unit_id} has neither a primary key nor a unique index over NOT NULL columns that holds for "
            f"all its rows (none does once other tables inherit from it), so rows that share a value of {name} cannot "
            "be told apart and an incremental read could lose some. Add a key, or choose mode full.",
        )
    return column


def bound_of(snapshot: Snapshot, order: Order, policy: ReadPolicy, horizon: Horizon) -> CursorBound:
    """The bound of a frozen snapshot. Raises ``RowRejected`` for a cursor after which nothing would be new."""
    unit_id, name = order.relation.unit_id, order.cursor_name()
    table = f"{quote_qualified(order.relation.schema, order.relation.name)} t"
    before = "true" if horizon.before is None else f"{name} < {horizon.before}"

    def last(where: str) -> list[tuple[Any, ...]]:
        return snapshot.ask(
            f"select {order.cursor_text()}, {order.key_texts()}, {before} from {table} where {where} "
            f"order by {order.full_list(' desc')} limit 1",
            where=unit_id,
        )

    rows = last(f"{name} is not null")
    is_capped = bool(rows) and not rows[0][2]
    if is_capped:
        rows = last(before)
    if rows and rows[0][0] in _ENDLESS and order.kinds[0] == "number":
        raise RowRejected(
            f"A row of {unit_id} has {rows[0][0]} in {order.field}, after which no row would ever be new. Correct it.",
            role="source",
            details={"column": order.field},
        )
    delivery: dict[str, Json] = {"deletes": "not captured", "source": horizon.delivery}
    if is_capped:
        delivery["leftForLater"] = horizon.held
    nulls = _null_cursors(snapshot, order, policy, table)
    if nulls:
        delivery["nullCursors"] = {"rows": nulls, "policy": policy.nulls}
    return CursorBound(
        order=order,
        top=Mark(cursor=rows[0][0], key=tuple(rows[0][1])) if rows else None,
        is_capped=is_capped,
        has_nulls=policy.nulls != "ignore" or not nulls,
        delivery=delivery,
    )


def refuse_rewound(snapshot: Snapshot, order: Order, position: CursorPosition, bound: CursorBound) -> None:
    """Raises ``SourceRewound`` when even the newest row, overtaking or not, lies before the position."""
    if position.at is None:
        return
    relation = order.relation
    table, name = f"{quote_qualified(relation.schema, relation.name)} t", order.cursor_name()
    reaches = f"select exists (select from {table} where {name} >= {order.cursor_literal(position.at.cursor)})"
    if not snapshot.ask(reaches, where=relation.unit_id)[0][0]:
        newest = "it has no rows with a cursor" if bound.top is None else f"its newest value is {bound.top.cursor}"
        raise SourceRewound(
            f"{relation.unit_id} went back in time: {position.field} was read up to {position.at.cursor}, and now "
            f"{newest}. If rows were deleted or the database restored on purpose, reset the unit.",
            role="source",
        )


def _null_cursors(snapshot: Snapshot, order: Order, policy: ReadPolicy, table: str) -> int:
    """How many rows have no cursor. They are refused, by key, where the policy would set them aside."""
    if order.cursor is None or not order.cursor.nullable:
        return 0
    name, unit_id = order.cursor_name(), order.relation.unit_id
    count = int(snapshot.ask(f"select count(*) from {table} where {name} is null", where=unit_id)[0][0])
    if count and policy.nulls == "quarantine":
        raise RowRejected(
            f"{count} rows of {unit_id} have no {policy.cursor_field}, and the policy allows none to be set aside. "
            "Fill the column, or choose nulls once or ignore.",
            role="source",
            details={"column": policy.cursor_field or "", "rows": count},
        )
    return count
