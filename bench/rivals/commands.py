"""How each rival is called, with nothing but settings that its own pages name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bench import places, tools
from bench.contenders import Options, flags
from bench.meter import Command

MODULES = {"PYTHONPATH": str(places.ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
SSL = "?sslmode=disable"


def python(tool: str, module: str, *arguments: str) -> Command:
    """A script of this folder in the tool's own environment."""
    argv = (places.interpreter(tool), "-m", f"bench.rivals.{module}", *arguments)
    return Command(argv, {**MODULES, **tools.QUIET})


def duckdb_parquet(database: str, table: str, options: Options, out: Path) -> Command:
    return python("duckdb", "duckdb_copy", database, table, "--parquet", str(out), *flags(options))


def duckdb_postgres(database: str, table: str, options: Options, target: str) -> Command:
    return python("duckdb", "duckdb_copy", database, table, "--target", target, *flags(options))


def duckdb_iceberg(database: str, table: str, options: Options, warehouse: Path) -> Command:
    return python("duckdb", "duckdb_iceberg", database, table, str(warehouse), *flags(options))


def dlt(to: str, database: str, table: str, options: Options, place: str, state: Path) -> Command:
    return python("dlt", "dlt_full", to, database, table, place, "--state", str(state), *flags(options))


def dlt_incremental(source: str, target: str, state: str, options: Options) -> Command:
    return python("dlt", "dlt_incremental", source, target, "--state", state, *flags(options))


def duckdb_files(source: str, to: tuple[str, ...], options: Options) -> Command:
    return python("duckdb", "duckdb_files", source, *to, *flags(options))


def dlt_files(source: str, place: str, state: str, options: Options) -> Command:
    return python("dlt", "dlt_files", source, place, "--state", state, *flags(options))


def ingestr(database: str, table: str, options: Options, to: str, as_table: str, *more: str) -> Command:
    return ingestr_from(places.url(database) + SSL, f"public.{table}", options, to, as_table, *more)


def ingestr_from(source: str, unit: str, options: Options, to: str, as_table: str, *more: str) -> Command:
    """Version 1; source and destination are URIs."""
    argv = (
        *(str(tools.ingestr()), "ingest", "--yes", "--progress", "log", "--no-load-timestamp"),
        *("--source-uri", source, "--source-table", unit),
        *("--dest-uri", to, "--dest-table", as_table, *flags(options), *more),
    )
    return Command(argv, tools.QUIET)


def sling(database: str, table: str, *to: str, target: str = "") -> Command:
    """Parquet comes from its Go writer: by default it would download a DuckDB of its own. DST is the target."""
    home = {"SLING_HOME_DIR": str(places.HOME / "sling"), "SLING_DUCKDB_COMPUTE": "false"}
    ends = {name: places.url(each, driver="postgres") + SSL for name, each in (("SRC", database), ("DST", target))}
    argv = (str(tools.sling()), "run", "--src-conn", "SRC", "--src-stream", f"public.{table}", *to)
    return Command(argv, {**tools.QUIET, **home, **ends})


def copy_out(database: str, table: str, condition: str = "") -> str:
    what = f"(select * from {table} where {condition})" if condition else table
    return f'{psql(database)} -c "copy {what} to stdout (format binary)"'


def copy_in(database: str, table: str) -> str:
    return f'{psql(database)} -c "copy {table} from stdin (format binary)"'


def psql(database: str) -> str:
    return f"psql -Xqd {places.url(database)} -v ON_ERROR_STOP=1"


def halves(database: str, table: str) -> tuple[str, str, str]:
    """A line of shell that finds the middle page, and the conditions of the two halves."""
    middle = f"select pg_relation_size('{table}') / current_setting('block_size')::int / 2"
    return f'half=$({psql(database)} -At -c "{middle}")', "ctid < '($half,0)'", "ctid >= '($half,0)'"


def raw_one(database: str, table: str) -> Command:
    """What PostgreSQL itself can give: binary COPY to nowhere, on one connection."""
    return shell(f"{copy_out(database, table)} >/dev/null")


def raw_two(database: str, table: str) -> Command:
    """On two: halves of the pages, with a snapshot each, so a floor and no copy of a table that changes."""
    find, low, high = halves(database, table)
    one, other = copy_out(database, table, low), copy_out(database, table, high)
    return shell(f"{find}; {one} >/dev/null & {other} >/dev/null; wait $!")


def pipe_one(database: str, table: str, target: str) -> Command:
    return shell(f"{copy_out(database, table)} | {copy_in(target, table)}")


def pipe_two(database: str, table: str, target: str) -> Command:
    find, low, high = halves(database, table)
    into = copy_in(target, table)
    one, other = copy_out(database, table, low), copy_out(database, table, high)
    return shell(f"{find}; ({one} | {into}) & {other} | {into} && wait $!")


def shell(line: str) -> Command:
    return Command(("bash", "-euo", "pipefail", "-c", line))


def done(command: Command) -> None:
    """Runs what is not measured."""
    subprocess.run(command.argv, env={**os.environ, **command.env}, check=True, capture_output=True)
