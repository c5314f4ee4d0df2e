"""The slices of one snapshot that DuckDB writes as files, and what becomes of it when it cannot."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.endpoints.sources.postgres_readers import Readers, source_closed
from headrace.endpoints.systems.postgres_duckdb import DuckDBFailed, DuckDBReader, Rows
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.staging import NativeFile

log = logging.getLogger("headrace.postgres")


class ParquetFiles:
    """Writes files from any number of threads, each with a connection of its own. ``close`` ends them all."""

    def __init__(self, parameters: PostgresParameters) -> None:
        self._readers = Readers(partial(DuckDBReader, parameters))
        self._is_possible = True

    def write(
        self, adopting: tuple[str, ...], rows: Rows, schema: pa.Schema, asked: Mapping[str, Any], *, where: str
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
            reader = self._readers.take(adopting)
            try:
                written = reader.write_parquet(rows, path, schema, asked)
            finally:
                self._readers.put_back(reader)
        except DuckDBFailed as error:
            if self._readers.is_closed:
                raise source_closed() from None
            self._is_possible = False
            with suppress(FileNotFoundError):
                os.truncate(path, 0)  # what is there of it may lie in memory
            log.info("a slice of %s is not written by DuckDB but read row by row: %s", where, type(error).__name__)
            return None
        return NativeFile(format="parquet", path=path, rows=written, schema=schema)

    def close(self) -> None:
        """Idempotent. A file in progress ends with an error in its own thread."""
        self._readers.close()
