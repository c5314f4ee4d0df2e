"""DuckDB as a reader of PostgreSQL: a query becomes a Parquet file, and no row of it passes through Python.

It decodes binary COPY and encodes Parquet in one thread of C++. Its PostgreSQL
extension lies in a wheel, signed by DuckDB's authors and checked when it is
loaded; nothing is fetched. A failure has a text and no code: who needs to know
what went wrong asks the reader that DuckDB stands in for.
"""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.util
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import (
    connect,
    connection_string,
    lock_timeout_statement,
    query,
    quote_identifier,
    quote_literal,
    settings_statement,
)
from headrace.errors import DataPlaneError

VECTOR_ROWS = 2048
"""What DuckDB takes at once."""

ROW_GROUP_ROWS = 60 * VECTOR_ROWS
"""DuckDB's own."""

MANY_COLUMNS = 16
ROW_GROUP_VALUES = 8 * ROW_GROUP_ROWS
"""Of a row group of more columns than that: all of its values are in memory before it is written."""

CANCEL_AGAIN_SECONDS = 0.1

_MEMORY = "128MB"
"""Of DuckDB's buffers, for each reader: a row group that is being encoded, and little else."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the server is asked, and which columns of its answer are the bytes of a text."""

    statement: str
    text_as_bytes: tuple[str, ...] = ()

    def having(self, rest: str) -> Rows:
        """The same with ``rest`` (where, order by) behind the statement."""
        return replace(self, statement=self.statement + rest)


def _row_group_rows(columns: int) -> int:
    if columns <= MANY_COLUMNS:
        return ROW_GROUP_ROWS
    return max(1, ROW_GROUP_VALUES // columns // VECTOR_ROWS) * VECTOR_ROWS


class DuckDBFailed(Exception):
    """The file was not written. The message is DuckDB's, and may hold values."""


@cache
def extension() -> Path | None:
    """Where the extension lies that fits the DuckDB that is installed; None when either is missing.

    Asked in every run, and DuckDB is loaded by those alone that need it.
    """
    found = importlib.util.find_spec("duckdb_extension_postgres_scanner")
    if found is None or found.submodule_search_locations is None:
        return None
    try:
        installed = importlib.metadata.version("duckdb")
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(found.submodule_search_locations[0]) / "extensions" / f"v{installed}"
    file = path / "postgres_scanner.duckdb_extension"
    return file if file.is_file() else None


class DuckDBReader:
    """One connection that adopted a snapshot. One query at a time; ``cancel`` may come from another thread."""

    def __init__(self, parameters: PostgresParameters, adopting: Sequence[str]) -> None:
        """``adopting``: what is said to adopt the snapshot. Raises ``DuckDBFailed``: no connection, or it is gone."""
        import duckdb

        self._parameters = parameters
        self._working = threading.Lock()
        self._failures = duckdb.Error
        self.is_spent = False
        """A query failed or was cancelled, and with it the transaction."""
        self._connection = duckdb.connect(config=_CONFIG)
        try:
            self._do(f"load {quote_literal(str(extension()))}")
            place = quote_literal(connection_string(parameters, "source"))
            self._do(f"attach {place} as pg (type postgres, read_only)")
            self._do("begin")
            for statement in adopting:
                self._tell(statement)
            self._tell(settings_statement(parameters))
            self._tell(lock_timeout_statement())
            if parameters.role is not None:
                self._tell(f"set role {quote_identifier(parameters.role)}")
            ((self._pid,),) = self._do("from postgres_query('pg', 'select pg_backend_pid()')")
        except BaseException:
            self._connection.close()
            raise

    def write_parquet(self, rows: Rows, path: Path, schema: pa.Schema, options: Mapping[str, Any]) -> int:
        """Write ``rows``, which must have the types of ``schema``, and return their number.

        ``options["compression"]`` is snappy, zstd, gzip or none, ``options["footer"]`` what the file is to say of
        itself. Raises ``DuckDBFailed``.
        """
        metadata = {"ARROW:schema": base64.b64encode(schema.serialize().to_pybytes()).decode()}
        metadata |= options.get("footer", {})
        said = ", ".join(f"{quote_literal(key)}: {quote_literal(value)}" for key, value in metadata.items())
        codec = _CODECS.get(str(options["compression"]), str(options["compression"]))
        with self._working:
            ((written,),) = self._do(
                f"copy (select {_selected(rows)} from postgres_query('pg', {quote_literal(rows.statement)})) "
                f"to {quote_literal(str(path))} "
                f"(format parquet, compression {quote_literal(codec)}, row_group_size {_row_group_rows(len(schema))}, "
                f"use_tmp_file false, kv_metadata {{{said}}})"
            )
        self._see(path, schema, written)
        return int(written)

    def cancel(self) -> None:
        """End the query in progress; the next one fails too. DuckDB itself would not hear before the query's end.

        Asked again until it has ended, for a cancel may come before the query does. A server that is gone has ended
        it itself.
        """
        self.is_spent = True
        if self._working.acquire(blocking=False):
            self._working.release()
            return
        with suppress(DataPlaneError, psycopg.Error), closing(connect(self._parameters, "source")) as connection:
            while not self._working.acquire(timeout=CANCEL_AGAIN_SECONDS):
                query(connection, "select pg_cancel_backend($1)", [self._pid])
            self._working.release()

    def close(self) -> None:
        self._connection.close()

    def _see(self, path: Path, schema: pa.Schema, rows: int) -> None:
        """The file must have the types that were planned: DuckDB makes of some types what comes nearest."""
        with pq.ParquetFile(path) as file:
            written = file.schema_arrow
            whole = file.metadata.num_rows == rows and written.names == schema.names
        if not whole or any(written.field(name).type != schema.field(name).type for name in schema.names):
            raise DuckDBFailed(f"The file holds {written}, and {schema} was to be written.")

    def _tell(self, statement: str) -> None:
        self._do(f"call postgres_execute('pg', {quote_literal(statement)})")

    def _do(self, statement: str) -> list[Any]:
        if self.is_spent:
            raise DuckDBFailed("The read was cancelled.")
        try:
            return self._connection.execute(statement).fetchall()
        except self._failures as error:
            self.is_spent = True
            raise DuckDBFailed(str(error)) from None


def _selected(rows: Rows) -> str:
    names = [quote_identifier(name) for name in rows.text_as_bytes]
    texts = ", ".join(f"decode({name}) as {name}" for name in names)
    return f"* replace ({texts})" if texts else "*"


_CODECS = {"none": "uncompressed"}
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": "1",
    "memory_limit": _MEMORY,
    "preserve_insertion_order": "true",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
}
