"""The contract of staging: where the rows of one slice wait between source and sink.

Sources and sinks receive a ``StagingSession`` and never learn which provider
made it. Order and values are kept exactly: nulls, unicode, nested values,
int64, decimals, bytes, timestamps with their zone and unit. What a session
cannot carry it refuses. The fine print is ``headrace.testing.staging_suite``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from headrace.protocol import Json

if TYPE_CHECKING:
    import pyarrow as pa

Row: TypeAlias = Mapping[str, Any]

DEFAULT_MAX_BYTES = 256 * 1024 * 1024
"""Bound of an ``in_memory`` session when ``policy.staging.maxBytes`` says nothing."""

DEFAULT_BATCH_BYTES = 8 * 1024 * 1024


FILE_FORMATS = frozenset({"parquet"})
"""Native formats of which a slice is one whole file; others travel in blocks."""


class SessionClosed(RuntimeError):
    """The session was closed; its rows are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeBlock:
    """Opaque bytes of one declared format, such as ``pgcopy``, and how many rows are known to end with them.

    A block may stop within a row. Those of a slice, one after the other, are one
    whole document of the format; the last says what no other did.
    """

    format: str
    data: bytes
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeFile:
    """A whole file of one declared format, such as ``parquet``, that holds all rows of a slice.

    ``schema`` is what its rows are as Arrow, for those who look inside after all.
    """

    format: str
    path: Path
    rows: int
    schema: pa.Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of a unit that is read, staged and committed as a whole.

    ``seq`` numbers the slices of the generation. ``bounds`` is read by nobody
    but the source that planned it. When the slice is committed the checkpoint
    moves from ``from_checkpoint`` to ``to_checkpoint``.
    """

    seq: int
    bounds: Json
    from_checkpoint: Json
    to_checkpoint: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestionContext:
    """What a provider may know about the slice it stages for.

    ``slice`` is None for a session that is to hold everything new at once.
    ``prev_hash`` is the hash of the commit record before this slice's, or empty
    where that is not known yet, as it is for a slice that is read ahead.
    """

    tenant: str
    endpoint_id: str
    unit_id: str
    sink_id: str
    run_id: str
    epoch: int
    generation: int
    slice_seq: int
    slice: Slice | None
    prev_hash: str
    max_bytes: int = DEFAULT_MAX_BYTES


class BlockLoad(Protocol):
    """Where native blocks go at once, instead of waiting in staging: a place of the sink that nobody reads yet.

    Calls come in this order: ``write``…, ``finish``; ``abandon`` at any time.
    """

    @property
    def format(self) -> str: ...

    def write(self, data: bytes) -> None: ...

    def finish(self, rows: int) -> None:
        """Everything was written, and this is how many rows it holds. Raises when the sink counted otherwise; one that
        still has to count refuses the slice when it is written."""
        ...

    def abandon(self) -> None:
        """Leave nothing behind but what was committed. Idempotent; from another thread it comes after the others."""
        ...


class RowLoad(Protocol):
    """Where the rows of one sealed slice wait for their commit: a place of the sink that nobody reads yet."""

    def fill(self, reader: RecordReader, rows: int) -> None:
        """Bring all rows there. Raises when the sink counted others than ``rows``, or does not take them."""
        ...

    def cancel(self) -> None:
        """End a ``fill`` in progress, in another thread, and refuse those to come."""
        ...

    def abandon(self) -> None:
        """Leave nothing behind but what was committed. Idempotent."""
        ...


class RecordWriter(Protocol):
    """One writer a session. Every batch has the columns of the first."""

    def write_batch(self, batch: Iterable[Row]) -> None:
        """Append the rows in order. The iterable is read once; an empty one adds nothing."""
        ...

    def write_arrow(self, batch: pa.RecordBatch) -> None: ...

    def write_native(self, block: NativeBlock) -> None:
        """Append a block. A session holds native blocks of one format, one native file, or rows."""
        ...

    def write_native_file(self, file: NativeFile) -> None:
        """Take the file that was written at the session's ``native_path``. Nothing can be added to it."""
        ...


class RecordReader(Protocol):
    """Any number a session, each from the first record."""

    @property
    def schema(self) -> pa.Schema | None:
        """Columns of the staged rows; None when nothing was written, not even an empty batch."""
        ...

    def iter_batches(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        """Yield every row in the order written, ``chunk_size`` at a time; the last may be fewer.

        Raises:
            ValueError: ``chunk_size`` is less than one.
        """
        ...

    def iter_arrow(self, max_bytes: int = DEFAULT_BATCH_BYTES) -> Iterator[pa.RecordBatch]:
        """Yield every row as Arrow, about ``max_bytes`` a batch and at least one row."""
        ...

    def iter_native(self) -> Iterator[NativeBlock]: ...

    def native_file(self) -> NativeFile | None:
        """The file that was staged as it is, to be adopted; it goes with the session. None of rows or blocks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What a sealed session holds. ``sha256`` is lower-case hex over the rows in canonical order."""

    rows: int
    bytes: int
    sha256: str


class StagingSession(Protocol):
    @property
    def id(self) -> str:
        """Unlike the id of any other session of the same provider."""
        ...

    @property
    def context(self) -> IngestionContext: ...

    def native_path(self) -> Path | None:
        """Where the slice may be written as one native file; None when the provider has no such place."""
        ...

    def hand_on(self, load: BlockLoad) -> None:
        """Blocks of the load's format go there from now on; the session hashes and counts them, and keeps none.

        ``seal`` finishes the load, and ``close`` abandons it.
        """
        ...

    @property
    def handed_on(self) -> BlockLoad | None:
        """The load that has the blocks of this session; None of a session that keeps what it was given."""
        ...

    def writer(self) -> RecordWriter:
        """The session's writer. A second call returns the same one."""
        ...

    def seal(self) -> Seal:
        """End writing and say what is there; equal rows in equal order give an equal hash.

        Sealing twice answers the same. Writing after it raises ``SessionClosed``.
        """
        ...

    def reader(self) -> RecordReader:
        """Open at the first record, whatever other readers have read. Seals the session."""
        ...

    def close(self) -> None:
        """Delete everything staged. Idempotent; afterwards every other use raises ``SessionClosed``."""
        ...


class StagingProvider(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def takes_native_files(self) -> bool:
        """Whether its sessions have a ``native_path``."""
        ...

    def allocate_session(self, context: IngestionContext) -> StagingSession:
        """Open an empty session. The caller closes it, also when the run fails."""
        ...

    def sweep(self, older_than_seconds: float, keep: Iterable[str]) -> tuple[int, int]:
        """Delete sessions that closed processes left behind, but those of run ids in ``keep``.

        Returns how many sessions and how many bytes were deleted.
        """
        ...
