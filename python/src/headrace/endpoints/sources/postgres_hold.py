"""A relation held still under a snapshot, so that nothing makes it look empty.

What rewrites a table (``truncate``, ``alter table``, ``cluster``, ``vacuum full``)
leaves rows that an older snapshot takes for not yet there. So the table is locked
before the snapshot is taken, as ``select`` locks it, until the transaction ends.
Views, and tables of which the user may read some columns only, cannot be locked
so: they are touched, which locks all they are read from but takes the snapshot
first, and then the files that the snapshot knows are compared with those there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.endpoints.systems.postgres_catalog import SHAPE, Relation
from headrace.endpoints.systems.postgres_session import Question, quote_qualified

_IS_STILL = f"""
with recursive tree(oid) as (
  select $1::oid
  union
  select below.oid from tree join pg_class c on c.oid = tree.oid cross join lateral (
    select i.inhrelid from pg_inherits i where i.inhparent = c.oid
    union all
    select d.refobjid from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
      and d.refclassid = 'pg_class'::regclass where r.ev_class = c.oid and c.relkind = 'v') below(oid))
select bool_and(c.relfilenode = 0 or c.relfilenode is not distinct from pg_relation_filenode(c.oid))
  and to_regclass($2)::oid = $1::oid and (select {SHAPE} from pg_class c where c.oid = $1::oid) = $3
from tree join pg_class c on c.oid = tree.oid
"""
"""Of the relation, its children and what a view reads from; a function within a view keeps its tables to itself."""


class RelationMovedError(Exception):
    """The relation is not what it was when it was looked up. It has to be looked up again, under a newer snapshot."""


def holding(relation: Relation) -> list[Question]:
    """To be asked first in the snapshot's transaction."""
    name = quote_qualified(relation.schema, relation.name)
    lock = f"lock table {name} in access share mode" if relation.is_lockable else f"select from {name} limit 0"
    return [(lock, ()), (_IS_STILL, [relation.oid, name, relation.shape])]


def is_still(answers: Sequence[list[tuple[Any, ...]]]) -> bool:
    """What the answers to ``holding`` say."""
    return bool(answers[-1][0][0])
