"""The slices of one snapshot that DuckDB writes as files, and what becomes of it when it cannot."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa

from headrace.endpoints.systems.postgres_duckdb import DuckDBFailed, DuckDBReader, Rows
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.errors import DataPlaneError, EndpointUnreachable
from headrace.staging import NativeFile

log = logging.getLogger("headrace.postgres")


class ParquetFiles:
    """Writes files from any number of threads, each with a connection of its own. ``close`` ends them all."""

    def __init__(self, parameters: PostgresParameters) -> None:
        self._parameters = parameters
        self._idle: list[DuckDBReader] = []
        self._busy: list[DuckDBReader] = []
        self._changing = threading.Lock()
        self._closed = False
        self._is_possible = True

    def write(
        self, snapshot: str, rows: Rows, schema: pa.Schema, asked: Mapping[str, Any], *, where: str
    ) -> NativeFile | None:
        """``rows`` in a file at ``asked["path"]``.

        None when DuckDB failed, which is not asked again then: the caller reads
        the rows otherwise, and hears what is wrong.

        Raises:
            EndpointUnreachable: The reads were closed meanwhile.
        """
        if not self._is_possible:
            return None
        path = Path(str(asked["path"]))
        try:
            reader = self._taken(snapshot)
            try:
                written = reader.write_parquet(rows, path, schema, asked)
            finally:
                self._put_back(reader)
        except DuckDBFailed as error:
            if self._closed:
                raise EndpointUnreachable("The read ended, for its source was closed.", role="source") from None
            self._is_possible = False
            with suppress(FileNotFoundError):
                os.truncate(path, 0)  # what is there of it may lie in memory
            log.info("a slice of %s is not written by DuckDB but read row by row: %s", where, type(error).__name__)
            return None
        return NativeFile(format="parquet", path=path, rows=written, schema=schema)

    def close(self) -> None:
        """Idempotent. A file in progress ends with an error in its own thread."""
        with self._changing:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for reader in busy:
            with suppress(DataPlaneError, psycopg.Error):  # a server that is gone has ended the read itself
                reader.cancel()
        for reader in idle:
            reader.close()

    def _taken(self, snapshot: str) -> DuckDBReader:
        with self._changing:
            reader = self._idle.pop() if self._idle else None
        if reader is None:
            reader = DuckDBReader(self._parameters, snapshot)
        with self._changing:
            self._busy.append(reader)
            is_late = self._closed
        if is_late:
            self._put_back(reader)
            raise DuckDBFailed("The reads were closed.")
        return reader

    def _put_back(self, reader: DuckDBReader) -> None:
        with self._changing:
            self._busy.remove(reader)
            if not self._closed and not reader.is_spent:
                self._idle.append(reader)
                return
        reader.close()
