"""Tables that are wide, odd or narrow: 200 columns; JSON, arrays and texts of a megabyte; nothing but numbers.

Made by PostgreSQL once for each number of rows, always the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench import cluster

WIDE = [
    *(f"(n * {i + 7919} % 1000003)::bigint as big_{i}" for i in range(50)),
    *(f"(n * {i + 31} % 10000000 / 100.0)::numeric(15,2) as money_{i}" for i in range(50)),
    *(f"'text ' || {i} || ' of ' || n % {i + 97} as text_{i}" for i in range(50)),
    *(f"timestamptz '2024-01-01 00:00:00Z' + (n + {i}) * interval '1 second' as at_{i}" for i in range(25)),
    *(f"date '1992-01-01' + ((n + {i}) % 2500)::int as day_{i}" for i in range(25)),
]
ODD = [
    "n as id",
    "jsonb_build_object('n', n, 'tags', jsonb_build_array('a', n % 7), 'x', n / 3.0) as doc",
    "array[n, n + 1, n + 2] as numbers",
    "array['one', 'two ' || n % 10, null] as words",
    "case when n % 100 = 0 then repeat(md5(n::text), 32768) else md5(n::text) end as body",
]


@dataclass(frozen=True)
class Odd:
    table: str
    columns: tuple[str, ...]
    # What a copy must have, in SQL that PostgreSQL and DuckDB both know.
    checks: Mapping[str, str]
    rows: int


def tables(rows: int) -> list[Odd]:
    """For 6 M rows of lineitem: 200,000 wide ones, 100,000 odd ones (1,000 of a megabyte), 50 M narrow ones."""
    count = "count(*)"
    return [
        Odd("wide", tuple(WIDE), {"rows": count, "big": "sum(big_49)", "money": "sum(money_49)::decimal(38,2)",
            "text": "sum(length(text_49))"}, rows // 30),
        Odd("odd", tuple(ODD), {"rows": count, "id": "sum(id)", "body": "sum(length(body))"}, rows // 60),
        Odd("narrow", ("n as id", "(n * 7919 % 1000003)::int as v"), {"rows": count, "id": "sum(id)", "v": "sum(v)"},
            rows * 50 // 6),
    ]  # fmt: skip


def make(database: str, odd: Odd) -> dict[str, str]:
    """The table, if it is not there, and what a copy must have."""
    if not cluster.rows(database, f"select where to_regclass('{odd.table}') is not null"):
        print(f"  making {odd.rows:,} {odd.table} rows …", flush=True)
        key = "(id)" if odd.table != "wide" else "(at_0)"
        cluster.run(
            database,
            f"begin; create table {odd.table} as select {', '.join(odd.columns)}"
            f" from generate_series(1::bigint, {odd.rows}) n; alter table {odd.table} add primary key {key}; commit",
            f"vacuum (freeze, analyze) {odd.table}",
            "checkpoint",
        )
    values = cluster.rows(database, f"select {', '.join(odd.checks.values())} from {odd.table}")[0]
    return dict(zip(odd.checks, map(str, values), strict=True))
