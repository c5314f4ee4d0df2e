"""The keys of a unit as SQL: all that there are, and of some those that there are not."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.endpoints.sources.postgres_columns import kept, selection_of, tombstone_readings
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.systems.postgres_catalog import CatalogColumn, Relation
from headrace.endpoints.systems.postgres_session import quote_identifier, quote_literal, quote_qualified
from headrace.endpoints.systems.postgres_types import NATIVE, reading


def keys_statement(relation: Relation, key: Sequence[str], policy: ReadPolicy) -> str:
    columns = ", ".join(f"t.{quote_identifier(name)}::text" for name in _columns(relation, key))
    where = kept(relation, policy)
    return f"select {columns} from {_table(relation)}{f' where {where}' if where else ''}"


def absence_statement(
    relation: Relation, key: Sequence[str], keys: Sequence[tuple[str, ...]], policy: ReadPolicy
) -> str:
    """Rows of ``tombstone_readings`` for those of ``keys`` that no row has, as the columns' own types compare.

    Text that differs is another key in a sink, whatever the source takes for equal: there it would stay beside its
    new spelling.
    """
    same = " and ".join(_same(name, column) for name, column in _columns(relation, key).items())
    where = " and ".join(filter(None, (same, kept(relation, policy))))
    return (
        f"select {selection_of(tombstone_readings(relation, key))} from ({_listed(relation, key, keys)}) k "
        f"where not exists (select from {_table(relation)} where {where})"
    )


def presence(relation: Relation, key: Sequence[str], keys: Sequence[tuple[str, ...]], policy: ReadPolicy) -> str:
    """Is true for the wanted rows of ``selection`` that have one of ``keys``."""
    names = ", ".join(f"t.{quote_identifier(name)}" for name in key)
    is_listed = f"({names}) in ({_listed(relation, key, keys)})"
    return " and ".join(filter(None, (is_listed, kept(relation, policy))))


def _listed(relation: Relation, key: Sequence[str], keys: Sequence[tuple[str, ...]]) -> str:
    """The keys, which come as text, as rows of the columns' own types."""
    columns = _columns(relation, key)
    values = ", ".join(f"array[{', '.join(map(quote_literal, texts))}]" for texts in zip(*keys, strict=True))
    names = ", ".join(f"c{at}" for at in range(len(key)))
    typed = ", ".join(
        f"u.c{at}::{_type(column)} as {quote_identifier(name)}" for at, (name, column) in enumerate(columns.items())
    )
    return f"select {typed} from unnest({values}) u({names})"


def _columns(relation: Relation, key: Sequence[str]) -> dict[str, CatalogColumn]:
    tombstone_readings(relation, key)
    return {name: column for name in key for column in relation.columns if column.name == name}


def _type(column: CatalogColumn) -> str:
    """Without the length by which a key would be cut, and then look like another."""
    return f"pg_catalog.{column.type_name}" if column.type_name else column.shown


def _same(name: str, column: CatalogColumn) -> str:
    ours, sinks = f"t.{quote_identifier(name)}", f"k.{quote_identifier(name)}"
    field = reading(column).field
    is_text = field.type in (pa.string(), pa.list_(pa.string())) and NATIVE not in (field.metadata or {})
    exactly = f' and {ours}::text collate "C" = {sinks}::text collate "C"' if is_text else ""
    return f"{ours} = {sinks}{exactly}"


def _table(relation: Relation) -> str:
    return f"{quote_qualified(relation.schema, relation.name)} t"
