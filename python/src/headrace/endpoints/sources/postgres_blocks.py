"""The slices of one snapshot that are read in blocks of binary COPY, and what becomes of it when that is impossible."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from functools import partial

from headrace.endpoints.sources.postgres_snapshot import LOCK_TIMED_OUT, awaited
from headrace.endpoints.systems.postgres_ahead import OpenedAhead
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_pgcopy import BlockReader, BlocksUnavailable, can_read_blocks
from headrace.errors import EndpointUnreachable
from headrace.staging import NativeBlock

log = logging.getLogger("headrace.postgres")


class CopyBlocks:
    """Reads in any number of threads, each with a connection of its own. ``close`` ends them all."""

    def __init__(self, parameters: PostgresParameters) -> None:
        self._parameters = parameters
        self._idle: list[BlockReader] = []
        self._busy: list[BlockReader] = []
        self._ahead = OpenedAhead(BlockReader.close)
        self._changing = threading.Lock()
        self._closed = False
        self._is_possible = can_read_blocks(parameters)

    def open_ahead(self, snapshot: str) -> None:
        """Connect for the read that comes, beside what its caller has to do first. A failure is that read's."""
        if self._is_possible and not self._idle and not self._busy:
            self._ahead.begin(partial(BlockReader, self._parameters, snapshot))

    def read(self, snapshot: str, query: str, *, where: str) -> Generator[NativeBlock] | None:
        """The rows of ``query``; None when there is no way to them, which is not tried again then.

        Raises:
            EndpointUnreachable: The reads were closed meanwhile.
        """
        if not self._is_possible:
            return None
        try:
            reader = self._taken(snapshot)
        except BlocksUnavailable as error:
            self._is_possible = False
            log.info(
                "a slice of %s is not read in blocks but as Arrow: %s", where, type(error.__cause__ or error).__name__
            )
            return None
        return self._blocks(reader, query, where)

    def close(self) -> None:
        """Idempotent. A read in progress ends with an error in its own thread."""
        with self._changing:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        self._ahead.close()
        for reader in busy:
            reader.cancel()
        for reader in idle:
            reader.close()

    def _blocks(self, reader: BlockReader, query: str, where: str) -> Generator[NativeBlock]:
        try:
            yield from reader.blocks(query, where=where)
        except EndpointUnreachable as error:
            if error.details.get("sqlstate") == LOCK_TIMED_OUT:
                raise awaited(where) from None
            raise
        finally:
            self._put_back(reader)

    def _taken(self, snapshot: str) -> BlockReader:
        with self._changing:
            reader = self._idle.pop() if self._idle else None
        if reader is None:
            reader = self._ahead.taken() or BlockReader(self._parameters, snapshot)
        with self._changing:
            is_late = self._closed
            if not is_late:
                self._busy.append(reader)
        if is_late:
            reader.close()
            raise EndpointUnreachable("The read ended, for its source was closed.", role="source")
        return reader

    def _put_back(self, reader: BlockReader) -> None:
        with self._changing:
            self._busy.remove(reader)
            if not self._closed and not reader.is_spent:
                self._idle.append(reader)
                return
        reader.close()
