"""A look at every result: rows, sums, distinct keys, types and key, against what the generator said."""

from __future__ import annotations

import glob
import json
import subprocess
from collections.abc import Mapping, Sequence

import duckdb

from bench import cluster, lineitem, places
from bench.contenders import Verdict

COLUMN_TYPES = """select attname, format_type(atttypid, atttypmod) from pg_attribute
  where attrelid = '{relation}'::regclass and attnum > 0 and not attisdropped"""
PRIMARY_KEY = """select a.attname from pg_index i
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
  where i.indrelid = '{relation}'::regclass and i.indisprimary"""


def verdict(found: Sequence[object], reference: Mapping[str, str], notes: Sequence[str] = ()) -> Verdict:
    return Verdict(tuple(lineitem.differences(found, reference)), tuple(notes))


def parquet(pattern: str, reference: Mapping[str, str], notes: Sequence[str] = ()) -> Verdict:
    """Of Parquet files, read together by DuckDB."""
    return parquet_files(sorted(glob.glob(pattern, recursive=True)), reference, notes)


def parquet_files(files: Sequence[str], reference: Mapping[str, str], notes: Sequence[str] = ()) -> Verdict:
    if not files:
        return Verdict(("there are no files",))
    with duckdb.connect() as session:
        session.read_parquet(list(files), union_by_name=True).create_view("result")
        types = {name: type_ for name, type_, *_ in session.execute("describe result").fetchall()}
        try:
            found = session.execute(f"select {lineitem.CHECK_SQL} from result").fetchone()
        except duckdb.Error as error:
            return Verdict((str(error).splitlines()[0],))
    return verdict(found or (), reference, [*notes, *lineitem.other_types(types, 1)])


def postgres(database: str, relation: str, reference: Mapping[str, str], key_is_due: bool = False) -> Verdict:
    """Of a table. A rival that makes no primary key does less, which is said; whoever promises one fails without."""
    if not cluster.rows(database, f"select where to_regclass('{relation}') is not null"):
        return Verdict((f"there is no table {relation}",))
    types = dict(cluster.rows(database, COLUMN_TYPES.format(relation=relation)))
    key = {name for (name,) in cluster.rows(database, PRIMARY_KEY.format(relation=relation))}
    found = cluster.rows(database, f"select {lineitem.CHECK_SQL} from {relation}")[0]
    has_key = key == set(lineitem.KEY)
    notes = [*([] if has_key else ["no primary key"]), *lineitem.other_types(types, 0)]
    seen = verdict(found, reference, notes)
    return seen if has_key or not key_is_due else Verdict((*seen.wrong, "no primary key"), seen.notes)


SUMS = """select count(*), sum(l_quantity)::numeric(38,2), sum(extract(epoch from updated_at))::numeric(38,6),
  sum(length(rtrim(l_shipinstruct::text)) + length(l_comment)) from {relation}"""


def same_as_source(source: str, table: str, target: str, relation: str) -> Verdict:
    """Of a table that changes: the sums of the source right now."""
    wanted = cluster.rows(source, SUMS.format(relation=table))[0]
    found = cluster.rows(target, SUMS.format(relation=relation))[0]
    return Verdict() if found == wanted else Verdict((f"{found}, where the source has {wanted}",))


def iceberg(uri: str, warehouse: str, table: str, reference: Mapping[str, str]) -> Verdict:
    """Of an Iceberg table: rows that appeared in one step, read by PyIceberg's plan and DuckDB's reader."""
    command = [places.interpreter("duckdb"), "-m", "bench.rivals.iceberg_files", uri, warehouse, table]
    asked = subprocess.run(command, cwd=places.ROOT, capture_output=True, text=True)
    if asked.returncode:
        return Verdict((asked.stderr.strip().splitlines()[-1],))
    found = json.loads(asked.stdout)
    if found["deletes"] or found["shown"] != 1:
        return Verdict((f"rows appeared in {found['shown']} steps, with {found['deletes']} delete files, not in one",))
    count = found["snapshots"]
    notes = [f"one step for readers, {count} {'snapshot' if count == 1 else 'snapshots'}"]
    return parquet_files(found["files"], reference, notes)
