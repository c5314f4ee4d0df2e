"""The source database: lineitem and what is cut from it, loaded once for each number of rows and kept.

``src_<rows>`` holds its own reference values; a database without them was left half loaded and is made anew.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import cluster, lineitem, places

ROWS_OF_SCALE_ONE = 6_001_215

FOUR_TIMES = """insert into li_x4 select l_orderkey + n * {highest}, {rest}
  from generate_series(0, 3) n, lineitem"""

INCREMENTAL = """create table li_1m as select l.*, timestamptz '2024-01-01 00:00:00+00'
    + row_number() over (order by l_orderkey, l_linenumber) * interval '1 second 123 microseconds' as updated_at
  from lineitem l order by l_orderkey, l_linenumber limit 1000000"""


@dataclass(frozen=True)
class Source:
    database: str
    target: str
    csv: Path
    reference: dict[str, dict[str, str]]
    highest: int

    def rows(self, table: str) -> int:
        return int(self.reference[table]["rows"]) if table in self.reference else 0


def source(rows: int) -> Source:
    """The loaded database of about so many rows; minutes the first time, nothing later."""
    name, csv = f"src_{rows}", places.HOME / f"lineitem-{rows}.csv"
    if not cluster.rows("postgres", f"select from pg_database where datname = '{name}'") or not known(name):
        print(f"  generating and loading {rows:,} rows …", flush=True)
        made = generate(rows / ROWS_OF_SCALE_ONE, csv)
        cluster.empty_database(name)
        load(name, csv)
        cluster.run(name, f"create table bench_reference as select '{json.dumps(made)}'::jsonb as made")
    made = known(name)
    return Source(name, f"dst_{rows}", csv, made["reference"], made["highest"])


def known(database: str) -> Any:
    if not cluster.rows(database, "select from pg_class where relname = 'bench_reference'"):
        return None
    return cluster.rows(database, "select made from bench_reference")[0][0]


def generate(scale: float, csv: Path) -> dict[str, Any]:
    command = [places.interpreter("duckdb"), "-m", "bench.data.generate", "--sf", f"{scale:.4f}", "--csv", str(csv)]
    made = subprocess.run(command, cwd=places.ROOT, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"the generator failed: {made.stderr[-1000:]}")
    return json.loads(made.stdout)


def load(database: str, csv: Path) -> None:
    key = ", ".join(lineitem.KEY)
    cluster.run(database, lineitem.ddl("lineitem", key=False))
    with (
        csv.open("rb") as file,
        cluster.connect(database) as session,
        session.cursor() as cursor,
        cursor.copy("copy lineitem from stdin (format csv, header)") as copy,
    ):
        while block := file.read(1 << 20):
            copy.write(block)
    statements = [f"alter table lineitem add primary key ({key})", INCREMENTAL]
    for table, part in (("li_q", 4), ("li_30", 30)):
        cut = f"l_orderkey <= (select max(l_orderkey) / {part} from lineitem)"
        statements.append(f"create table {table} as select * from lineitem where {cut}")
    for table in ("li_1m", "li_q", "li_30"):
        statements.append(f"alter table {table} add primary key ({key})")
    statements.append("create index on li_1m (updated_at, l_orderkey, l_linenumber)")
    statements += [f"vacuum (freeze, analyze) {table}" for table in ("lineitem", "li_1m", "li_q", "li_30")]
    cluster.run(database, *statements, "checkpoint")


def four_times(source: Source) -> Source:
    """The same with ``li_x4``, lineitem four times over: made when it is first needed, for it is large."""
    if not cluster.rows(source.database, "select from pg_class where relname = 'li_x4'"):
        print("  making four times the rows …", flush=True)
        rest = ", ".join(list(lineitem.COLUMNS)[1:])
        cluster.run(
            source.database,
            f"begin; {lineitem.ddl('li_x4', key=False)};"
            f"{FOUR_TIMES.format(highest=source.highest, rest=rest)};"
            f"alter table li_x4 add primary key ({', '.join(lineitem.KEY)}); commit",
            "vacuum (freeze, analyze) li_x4",
            "checkpoint",
        )
    more = {"li_x4": lineitem.fourfold(source.reference["lineitem"], source.highest)}
    return Source(source.database, source.target, source.csv, source.reference | more, source.highest)


def forget(rows: int) -> None:
    """Gives the disk back."""
    for name in (f"src_{rows}", f"dst_{rows}"):
        cluster.run("postgres", f"drop database if exists {name} with (force)")
    path = places.HOME / f"lineitem-{rows}.csv"
    if path.exists():
        os.unlink(path)
