"""A reader of binary COPY: what a query gives, in large blocks that nobody takes apart.

libpq hands COPY over row by row. asyncpg joins what arrived in compiled code, so
that a block costs the same however many rows are in it. It signs in by itself;
what libpq does that it cannot is a reason to read otherwise, not an error.
"""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from headrace.endpoints.systems.postgres_errors import translated
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import (
    SOURCE_APPLICATION,
    lock_timeout_statement,
    quote_identifier,
    settings_statement,
)
from headrace.errors import EndpointUnreachable
from headrace.staging import NativeBlock

if TYPE_CHECKING:
    import asyncpg

PGCOPY_FORMAT = "pgcopy"
BLOCK_BYTES = 512 * 1024
"""A block is about this large. What arrives at once is less, and each hand-over costs."""

FIRST_BYTES = 16 * 1024
"""The first is small, and each twice the one before: whoever takes a few rows begins while they are still read."""

CANCEL_AGAIN_SECONDS = 0.1
GONE_SECONDS = 2.0
"""How long a server may take to end what nobody wants any more."""

_END = b"\xff\xff"
"""Closes a binary COPY: the number of fields of a row that is none. A last field without a value ends so too, which is
why rows are counted at both ends."""

_KNOWN = frozenset(
    {
        "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl_min_protocol_version",
        "ssl_max_protocol_version", "target_session_attrs",
    }
)  # fmt: skip
"""Settings of libpq that asyncpg has as well."""


class BlocksUnavailable(Exception):
    """asyncpg could not connect, or adopt the snapshot. The message is asyncpg's, and may hold values."""


@cache
def is_installed() -> bool:
    """Asked in every run, and asyncpg is loaded by those alone that need it."""
    return importlib.util.find_spec("asyncpg") is not None


def can_read_blocks(parameters: PostgresParameters) -> bool:
    """Whether asyncpg connects by the same rules as libpq."""
    return is_installed() and set(parameters.libpq) <= _KNOWN


class BlockReader:
    """One connection that adopted a snapshot. One query at a time; ``cancel`` may come from another thread."""

    def __init__(self, parameters: PostgresParameters, adopting: Sequence[str]) -> None:
        """``adopting``: what is said to adopt the snapshot. Raises ``BlocksUnavailable``."""
        import asyncpg

        self._failures = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, EOFError, TimeoutError)
        self._working = threading.Lock()
        """Held while the loop runs, and never while somebody looks at a block."""
        self._copying: asyncio.Task[int] | None = None
        self._wanted = asyncio.Event()
        self._is_cancelled = False
        self.is_spent = False
        """A query failed or was cancelled, and with it the transaction."""
        self._loop = asyncio.new_event_loop()
        try:
            self._connection = self._loop.run_until_complete(_connected(parameters, adopting))
        except self._failures as error:
            self._loop.close()
            raise BlocksUnavailable(str(error)) from None
        except BaseException:
            self._loop.close()
            raise

    def blocks(self, query: str, *, where: str) -> Iterator[NativeBlock]:
        """The answer of ``query`` as binary COPY; the last block says how many rows there were.

        Raises:
            DataPlaneError: The server refused, the answer has no end, or the read was cancelled.
        """
        self.is_spent = True  # until it has ended well
        arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        copying = self._copying = self._loop.create_task(self._copy(query, arrived))
        held = self._next(arrived, where)
        while (block := self._next(arrived, where)) is not None:
            yield NativeBlock(format=PGCOPY_FORMAT, data=held or b"", rows=0)
            held = block
        if held is None or not held.endswith(_END):
            raise EndpointUnreachable(f"{where}: the server's answer broke off. Try again.", role="source")
        self.is_spent = False
        yield NativeBlock(format=PGCOPY_FORMAT, data=held, rows=copying.result())

    def cancel(self) -> None:
        """End the query in progress; its own thread hears of it, and the connection is of no use any more.

        Asked again until it has ended, for a cancel may come before the query does.
        """
        self._is_cancelled = self.is_spent = True
        while not self._working.acquire(timeout=CANCEL_AGAIN_SECONDS):
            with suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(self._stop)
        self._working.release()

    def close(self) -> None:
        """A query that nobody reads to its end is cancelled at the server."""
        with self._working:
            if self._loop.is_closed():
                return
            self._stop()
            if others := asyncio.all_tasks(self._loop):
                self._loop.run_until_complete(asyncio.wait(others, timeout=GONE_SECONDS))
            self._connection.terminate()
            self._loop.run_until_complete(asyncio.sleep(0))  # what belongs to closing happens in the next turn
            self._loop.close()

    def _next(self, arrived: asyncio.Queue[bytes | None], where: str) -> bytes | None:
        """The next block; None after the last. Only while somebody waits here does anything arrive."""
        with self._working:
            if self._is_cancelled:
                raise EndpointUnreachable("The read ended, for its source was closed.", role="source")
            try:
                self._wanted.set()
                block = self._loop.run_until_complete(arrived.get())
                if block is None and self._copying is not None:
                    self._loop.run_until_complete(self._copying)  # which is over, and says how it ended
                return block
            except self._failures as error:
                raise translated(error, role="source", where=where) from None
            except asyncio.CancelledError:
                raise EndpointUnreachable("The read ended, for its source was closed.", role="source") from None

    async def _copy(self, query: str, arrived: asyncio.Queue[bytes | None]) -> int:
        """Put block after block into ``arrived``, each when the one before it is done with; None when it ends."""
        parts: list[bytes] = []
        enough = FIRST_BYTES

        async def take(data: bytes) -> None:
            nonlocal enough
            parts.append(data)
            if sum(map(len, parts)) >= enough:
                enough = min(2 * enough, BLOCK_BYTES)
                arrived.put_nowait(b"".join(parts))
                parts.clear()
                self._wanted.clear()
                await self._wanted.wait()

        try:
            said = await self._connection.copy_from_query(query, output=take, format="binary")
            if parts:
                arrived.put_nowait(b"".join(parts))
            return int(said.split()[-1])
        finally:
            arrived.put_nowait(None)

    def _stop(self) -> None:
        if self._copying is not None:
            self._copying.cancel()


async def _connected(parameters: PostgresParameters, adopting: Sequence[str]) -> asyncpg.Connection:
    import asyncpg

    connection = await asyncpg.connect(
        f"postgresql:///?{urlencode(parameters.libpq)}",
        host=parameters.host,
        port=parameters.port,
        user=parameters.username,
        password=parameters.password,
        database=parameters.database,
        timeout=parameters.connect_timeout_seconds,
        statement_cache_size=0,
        server_settings={"application_name": parameters.application_name or SOURCE_APPLICATION},
    )
    role = [] if parameters.role is None else [f"set role {quote_identifier(parameters.role)}"]
    settings = [settings_statement(parameters), *role, lock_timeout_statement()]
    begun = ["begin isolation level repeatable read, read only", *adopting]
    try:
        # Each in one round trip; what was asked before ``begin`` is not within it.
        for statements in (settings, begun):
            await connection.execute("; ".join(statements))
    except BaseException:
        connection.terminate()
        raise
    return connection
