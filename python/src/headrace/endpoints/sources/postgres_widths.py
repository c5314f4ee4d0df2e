"""How wide the rows of a relation are, so that slices are cut by their bytes.

The first rows say it, and the size of the table, where rows are much alike. Where long values lie beside the table
(TOAST) a row may be a million times another, and compressed to next to nothing. There the rows of all of the table
are asked, and each boundary counts the bytes that its rows have; both from what a row knows of its values, without
reading them.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_catalog import Relation
from headrace.endpoints.systems.postgres_session import quote_identifier

_SAMPLE_ROWS, _SAMPLE_PAGES, _LONGEST_ROWS = 50, 1000, 20
_TEXTS = ("text", "varchar", "bytea")
_PACKED = ("json", "jsonb", "")
"""Of these, and of arrays, PostgreSQL does not know how long they are but by unpacking them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """``row_bytes``: of a row, on average. ``sized``: SQL for those of one row; empty where the average will do."""

    row_bytes: int
    sized: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What a slice may hold. Of ``sized`` rows it also counts the bytes; one row it always holds."""

    rows: int
    bytes: int
    sized: str

    @classmethod
    def of(cls, widths: Widths, policy: ReadPolicy, *, is_file: bool) -> Portion:
        budget = policy.slice_budget(is_file=is_file, is_uneven=widths.sized != "")
        rows = policy.slice_rows_of(budget, widths.row_bytes, is_file=is_file)
        return cls(rows=rows, bytes=budget, sized=widths.sized)


def widths_of(snapshot: Snapshot, relation: Relation, table: str, columns: tuple[str, ...]) -> Widths:
    """``table`` is SQL of the relation, called ``t``; ``columns`` are those that are read."""
    names = ", ".join(f"t.{quote_identifier(name)}" for name in columns)
    (sampled, stored, has_long), *_ = snapshot.ask(
        "select (select avg(octet_length((s.*)::text)) "
        f"from (select {names} from {table} limit {_SAMPLE_ROWS}) s)::int8, "
        "(select case when reltuples > 0 then pg_table_size(oid) / reltuples end from pg_class where oid = $1)::int8, "
        "(with recursive heap(oid) as (select $1::oid "
        "union all select i.inhrelid from heap join pg_inherits i on i.inhparent = heap.oid) "
        "select coalesce(bool_or(pg_relation_size(c.reltoastrelid) > 0), false) "
        "from heap join pg_class c on c.oid = heap.oid where c.reltoastrelid <> 0)",
        [relation.oid],
        where=relation.unit_id,
    )
    average = max(1, int(sampled or 1), int(stored or 1))
    if not has_long:
        return Widths(row_bytes=average)
    percent = min(100.0, 100.0 * _SAMPLE_PAGES / max(1, relation.pages))
    sample = f"{table} tablesample system ({percent})"
    sized = _sized(relation, columns, _unpacked(snapshot, relation, sample, columns))
    # All rows of the sampled pages: the first so many would be of the beginning of the table.
    ((spread,),) = snapshot.ask(f"select avg({sized})::int8 from {sample}", where=relation.unit_id)
    return Widths(row_bytes=max(average, int(spread or 1)), sized=sized)


def _packed(relation: Relation, columns: tuple[str, ...]) -> list[str]:
    found = [column for column in relation.columns if column.name in columns]
    return [f"t.{quote_identifier(column.name)}" for column in found if column.is_array or column.type_name in _PACKED]


def _unpacked(snapshot: Snapshot, relation: Relation, sample: str, columns: tuple[str, ...]) -> float:
    """How many times longer than they are stored such values become, by the longest rows of a sample."""
    packed = _packed(relation, columns)
    if not packed:
        return 1.0
    stored = " + ".join(f"coalesce(pg_column_size({name}), 0)" for name in packed)
    said = " + ".join(f"coalesce(octet_length({name}::text), 0)" for name in packed)
    ((times,),) = snapshot.ask(
        f"select (sum({said}) / nullif(sum({stored}), 0))::float8 "
        f"from (select {', '.join(packed)} from {sample} order by {stored} desc limit {_LONGEST_ROWS}) t",
        where=relation.unit_id,
    )
    return max(1.0, float(times or 1.0))


def _sized(relation: Relation, columns: tuple[str, ...], unpacked: float) -> str:
    """Of texts and bytes the length as it is read; of anything else what is stored, and what becomes of it."""
    packed = _packed(relation, columns)
    sizes: list[str] = []
    for name in columns:
        column, quoted = relation.column(name), f"t.{quote_identifier(name)}"
        if column is not None and column.type_name in _TEXTS and not column.is_array:
            sizes.append(f"coalesce(octet_length({quoted}), 0)")
        else:
            sizes.append(f"coalesce(pg_column_size({quoted}), 0){f' * {unpacked}' if quoted in packed else ''}")
    return f"({' + '.join(sizes)})::int8"
