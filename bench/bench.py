"""Our figures, each beside raw ``COPY … TO STDOUT`` of the same table in the same run.

Postgres to Parquet on 1 M and 4 M rows; peak memory of all processes at both
sizes, each in a fresh server; a run with nothing to do on a warm worker; bytes
of frames between TypeScript and Python. Every run's rows are counted in the
Parquet files: a fast wrong result is a failed run.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import psycopg
import pyarrow.dataset as ds

from server import Server, peak_mib_while, serving

SIZES = {"li_1m": 1_000_000, "li_4m": 4_000_000}

# A TPC-H-shaped lineitem: sixteen columns, the same value for the same row number every time.
FILL = """
create table {table} as
select n as l_id, n * 7919 % 200000 + 1 as l_partkey, n * 104729 % 10000 + 1 as l_suppkey,
  (n % 7)::int as l_linenumber, (n % 50 + 1)::numeric(15,2) as l_quantity,
  (n * 31 % 10000000 / 100.0)::numeric(15,2) as l_extendedprice,
  (n % 11 / 100.0)::numeric(15,2) as l_discount, (n % 9 / 100.0)::numeric(15,2) as l_tax,
  chr(65 + (n % 3)::int)::char(1) as l_returnflag, chr(70 + (n % 2)::int)::char(1) as l_linestatus,
  date '1992-01-01' + (n % 2500)::int as l_shipdate, date '1992-02-01' + (n % 2500)::int as l_commitdate,
  (array['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[n % 4 + 1] as l_shipinstruct,
  (array['AIR','RAIL','SHIP','TRUCK','MAIL'])[n % 5 + 1] as l_shipmode,
  'carefully final deposits ' || md5(n::text) as l_comment,
  timestamptz '2024-01-01 00:00:00Z' + n * interval '1 second' as updated_at
from generate_series(1::bigint, {rows}) n
"""


def fill(socket_dir: str) -> None:
    with psycopg.connect(host=socket_dir, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute("create database bench")
    with psycopg.connect(host=socket_dir, user="postgres", dbname="bench", autocommit=True) as db:
        for table, rows in SIZES.items():
            db.execute(FILL.format(table=table, rows=rows))
            db.execute(f"alter table {table} add primary key (l_id)")
            db.execute(f"create index on {table} (updated_at, l_id)")
            db.execute(f"vacuum (freeze, analyze) {table}")


def raw_copy_seconds(socket_dir: str, table: str) -> float:
    """One connection, binary COPY, bytes dropped as they come."""
    with psycopg.connect(host=socket_dir, user="postgres", dbname="bench") as db, db.cursor() as cursor:
        began = time.perf_counter()
        with cursor.copy(f"copy {table} to stdout (format binary)") as copy:
            for _ in copy:
                pass
        return time.perf_counter() - began


def register(server: Server, source_host: str, lake: Path, policy: dict[str, object], name: str) -> tuple[str, str]:
    """Ids of a source on the benchmark's database and of a Parquet sink."""
    add = "mutation($i: EndpointInput!) { registerEndpoint(input: $i) { id } }"
    parameters = {
        "host": source_host,
        "port": "5432",
        "database": "bench",
        "username": "postgres",
        "password": "unused",
    }
    source = {
        "name": name,
        "verb": "POST",
        "config": {"templateId": "jdbc.postgres", "parameters": parameters, "ingestionPolicy": policy},
    }
    sink = {
        "name": f"{name}-lake",
        "verb": "POST",
        "config": {"templateId": "file.local", "parameters": {"base_path": str(lake)}},
    }
    made = [server.ask(add, {"i": each})["registerEndpoint"]["id"] for each in (source, sink)]
    return made[0], made[1]


def counted(lake: Path) -> int:
    return sum(ds.dataset(file, format="parquet").count_rows() for file in lake.rglob("*.parquet"))


def throughput(server: Server, work: Path, table: str, rounds: int) -> None:
    raw, ours = [], []
    lake = work / f"lake-{table}"
    source, sink = register(server, server.socket_dir, lake, {"mode": "full", "writeDisposition": "replace"}, table)
    for _ in range(rounds):
        raw.append(raw_copy_seconds(server.socket_dir, table))
        seconds, _status = server.run(source, f"public.{table}", sink)
        ours.append(seconds)
        if counted(lake) != SIZES[table]:
            raise RuntimeError(f"{counted(lake)} rows arrived, {SIZES[table]} expected")
    ratio = statistics.median(o / r for o, r in zip(ours, raw, strict=True))
    print(f"{table}: raw COPY {paced(raw, table)}, Headrace to Parquet {paced(ours, table)}, ratio {ratio:.2f}")


def paced(seconds: list[float], table: str) -> str:
    median = statistics.median(seconds)
    return f"{median:.2f} s ({SIZES[table] / median / 1e3:.0f} k rows/s)"


def nothing_to_do(server: Server, work: Path, times: int) -> None:
    policy = {"mode": "incremental", "cursorField": "updated_at", "primaryKeys": ["l_id"]}
    source, sink = register(server, server.socket_dir, work / "lake-warm", policy, "warm")
    server.run(source, "public.li_1m", sink)
    spent = sorted(server.run(source, "public.li_1m", sink, every=0.001)[0] * 1000 for _ in range(times))
    median, slow = statistics.median(spent), spent[int(times * 0.95)]
    print(f"nothing to do, warm: median {median:.1f} ms, p95 {slow:.1f} ms, n = {times}")


def memory(work: Path, source_host: str) -> None:
    """Peak of all processes of a fresh server at both sizes: it must not grow with the rows."""
    peaks = {}
    for table in SIZES:
        with serving(work / f"memory-{table}") as server:
            source, sink = register(server, source_host, work / f"lake-memory-{table}", {"mode": "full"}, table)
            # Asked as often as a person's page would: the heap of Node grows with the requests, up to a bound.
            carry = partial(server.run, source, f"public.{table}", sink, every=0.25)
            peaks[table] = peak_mib_while(server, carry)
    small, large = peaks.values()
    print(f"peak memory: {small:.0f} MiB at 1 M rows, {large:.0f} MiB at 4 M rows, ratio {large / small:.2f}")


def frame_bytes(server: Server) -> str:
    """Bytes both ways of the last run of a million rows, as the server's debug log says them."""
    found = re.findall(r'"?frameBytes"?[=: ]+(\d+)', server.log.read_text(errors="replace"))
    return f"{int(found[-1]) / 1024:.1f} KiB" if found else "not logged"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=50, help="runs with nothing to do")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        with serving(work / "data") as server:
            fill(server.socket_dir)
            throughput(server, work, "li_1m", arguments.rounds)
            print(f"frames of a million rows: {frame_bytes(server)}")
            throughput(server, work, "li_4m", max(3, arguments.rounds // 2))
            nothing_to_do(server, work, arguments.times)
            memory(work, server.socket_dir)


if __name__ == "__main__":
    main()
