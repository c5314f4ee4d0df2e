"""The upper bound of an incremental read: the newest row of the snapshot that no open transaction can overtake."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.endpoints.sources.postgres_horizon import TIMED, Horizon
from headrace.endpoints.sources.postgres_lookback import refuse_unfit
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.sources.postgres_position import CursorPosition, Mark
from headrace.endpoints.sources.postgres_ranges import Order, Until
from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.sources.postgres_survey import Survey, last_row, mark_of, tell_ties
from headrace.endpoints.systems.postgres_catalog import CatalogColumn, Relation
from headrace.endpoints.systems.postgres_types import is_orderable
from headrace.errors import RowRejected, SourceRewound
from headrace.protocol import Json
from headrace.source_policy import invalid
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
    ties: str | None
    """Which rows share the cursor of ``top``, where more may come later."""

    def position(self) -> CursorPosition:
        order = self.order
        return CursorPosition(
            field=order.field, key_columns=order.key_names, kinds=order.kinds, at=self.top, ties=self.ties
        )

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
    if policy.lookback is not None:
        refuse_unfit(column, policy.lookback)
    if not relation.unique_key:
        raise invalid(
            "mode",
            f"{relation.unit_id} has neither a primary key nor a unique index over NOT NULL columns that holds for "
            f"all its rows (none does once other tables inherit from it), so rows that share a value of {name} cannot "
            "be told apart and an incremental read could lose some. Add a key, or choose mode full.",
        )
    return column


def bound_of(snapshot: Snapshot, order: Order, policy: ReadPolicy, horizon: Horizon, survey: Survey) -> CursorBound:
    """The bound of a frozen snapshot. Raises ``RowRejected`` for a cursor after which nothing would be new."""
    unit_id = order.relation.unit_id
    is_capped = survey.newest is not None and not survey.is_newest_before
    newest = survey.newest
    if is_capped:
        before = f"{order.cursor_name()} < {horizon.before}"
        newest = mark_of(snapshot.ask(last_row(order, before), where=unit_id))
    if newest is not None and newest.cursor in _ENDLESS and order.kinds[0] == "number":
        raise RowRejected(
            f"A row of {unit_id} has {newest.cursor} in {order.field}, after which no row would ever be new. "
            "Correct it.",
            role="source",
            details={"column": order.field},
        )
    _refuse_null_cursors(survey.nulls, order, policy)
    delivery: dict[str, Json] = {
        "deletes": policy.said_of_deletes,
        "source": horizon.delivery + _said_of_ties(order, policy),
    }
    if is_capped:
        delivery["leftForLater"] = horizon.held
    if survey.nulls:
        delivery["nullCursors"] = {"rows": survey.nulls, "policy": policy.nulls}
    return CursorBound(
        order=order,
        top=newest,
        is_capped=is_capped,
        has_nulls=policy.nulls != "ignore" or not survey.nulls,
        delivery=delivery,
        ties=_ties(snapshot, order, newest),
    )


def may_grow_ties(order: Order) -> bool:
    """Whether rows may come later with a cursor that was read: an open transaction holds no number back."""
    cursor = order.cursor
    return cursor is not None and cursor.type_name not in TIMED and order.key_names != (cursor.name,)


def refuse_rewound(order: Order, position: CursorPosition, survey: Survey, bound: CursorBound) -> None:
    """Raises ``SourceRewound`` when even the newest row, overtaking or not, lies before the position."""
    if position.at is not None and not survey.reaches:
        newest = "it has no rows with a cursor" if bound.top is None else f"its newest value is {bound.top.cursor}"
        raise SourceRewound(
            f"{order.relation.unit_id} went back in time: {position.field} was read up to {position.at.cursor}, and "
            f"now {newest}. If rows were deleted or the database restored on purpose, reset the unit.",
            role="source",
        )


def _ties(snapshot: Snapshot, order: Order, top: Mark | None) -> str | None:
    if top is None or not may_grow_ties(order):
        return None
    return str(snapshot.ask(tell_ties(order, top), where=order.relation.unit_id)[0][0])


def _said_of_ties(order: Order, policy: ReadPolicy) -> str:
    if not may_grow_ties(order):
        return ""
    if policy.is_merged:
        return "; rows that come later with the newest value read are not missed, for they are merged"
    return "; so are rows that come later with the newest value read and a smaller key, unless rows are merged"


def _refuse_null_cursors(count: int, order: Order, policy: ReadPolicy) -> None:
    """They are refused where the policy would set them aside."""
    if count and policy.nulls == "quarantine":
        raise RowRejected(
            f"{count} rows of {order.relation.unit_id} have no {policy.cursor_field}, and the policy allows none to "
            "be set aside. Fill the column, or choose nulls once or ignore.",
            role="source",
            details={"column": policy.cursor_field or "", "rows": count},
        )
