"""The slices of one snapshot that are read in blocks of binary COPY, and what becomes of it when that is impossible."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from functools import partial

from headrace.endpoints.sources.postgres_readers import Readers
from headrace.endpoints.sources.postgres_snapshot import LOCK_TIMED_OUT, Snapshot, awaited
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_pgcopy import (
    PGCOPY_FORMAT,
    BlockReader,
    BlocksUnavailable,
    can_read_blocks,
)
from headrace.errors import EndpointUnreachable
from headrace.staging import NativeBlock

log = logging.getLogger("headrace.postgres")


class CopyBlocks:
    """Reads in any number of threads, each with a connection of its own. ``close`` ends them all."""

    def __init__(self, parameters: PostgresParameters) -> None:
        self._readers = Readers(partial(BlockReader, parameters))
        self._is_possible = can_read_blocks(parameters)

    def open_ahead(self, snapshot: Snapshot) -> None:
        """Connect for the read that comes, beside what its caller has to do first. A failure is that read's."""
        if self._is_possible and not snapshot.is_little_read:
            self._readers.open_ahead(snapshot.adopting)

    def read_from(self, snapshot: Snapshot, query: str, *, where: str) -> Iterator[NativeBlock] | None:
        """As ``read``; what is little comes over the connection that is there, and at once."""
        if not self._is_possible or not snapshot.is_little_read:
            return self.read(snapshot.adopting, query, where=where)
        data, rows = snapshot.copied(query, where=where)
        return iter([NativeBlock(format=PGCOPY_FORMAT, data=data, rows=rows)])

    def read(self, adopting: tuple[str, ...], query: str, *, where: str) -> Generator[NativeBlock] | None:
        """The rows of ``query``; None when there is no way to them, which is not tried again then.

        Raises:
            EndpointUnreachable: The reads were closed meanwhile.
        """
        if not self._is_possible:
            return None
        try:
            reader = self._readers.take(adopting)
        except BlocksUnavailable as error:
            self._is_possible = False
            log.info(
                "a slice of %s is not read in blocks but as Arrow: %s", where, type(error.__cause__ or error).__name__
            )
            return None
        return self._blocks(reader, query, where)

    def close(self) -> None:
        """Idempotent. A read in progress ends with an error in its own thread."""
        self._readers.close()

    def _blocks(self, reader: BlockReader, query: str, where: str) -> Generator[NativeBlock]:
        try:
            yield from reader.blocks(query, where=where)
        except EndpointUnreachable as error:
            if error.details.get("sqlstate") == LOCK_TIMED_OUT:
                raise awaited(where) from None
            raise
        finally:
            self._readers.put_back(reader)
