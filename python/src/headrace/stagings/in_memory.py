"""Staging in the worker's own memory: the default, and the shortest correct provider.

Bounded by the context's ``max_bytes``; a slice that is larger fails with
``StagingFull``, which smaller slices avoid. Nothing outlives the process.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from headrace.errors import StagingFull
from headrace.sessions import StagedSession
from headrace.staging import IngestionContext, NativeBlock, Seal

_MIB = 1024 * 1024


class InMemoryStaging:
    id = "in_memory"
    takes_native_files = hasattr(os, "memfd_create")

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def allocate_session(self, context: IngestionContext) -> StagedSession:
        session_id = f"{context.run_id}/{context.slice_seq}/{next(self._numbers)}"
        return StagedSession(session_id, context, _Memory(context.max_bytes))

    def sweep(self, older_than_seconds: float, keep: Iterable[str]) -> tuple[int, int]:
        """Memory of a process that ended is gone already."""
        return 0, 0


class _Memory:
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._batches: list[pa.RecordBatch] = []
        self._blocks: list[NativeBlock] = []
        self._file: int | None = None

    def append(self, batch: pa.RecordBatch) -> None:
        self._take(batch.nbytes)
        self._batches.append(batch)

    def append_native(self, block: NativeBlock) -> None:
        self._take(len(block.data))
        self._blocks.append(block)

    def native_path(self) -> Path | None:
        """A file without name or disk; only Linux has such."""
        if self._file is None and InMemoryStaging.takes_native_files:
            self._file = os.memfd_create("headrace-staging")
        return None if self._file is None else _path_of(self._file)

    def keep_native_file(self) -> Path:
        assert self._file is not None, "a file is written where native_path says"
        self._take(os.fstat(self._file).st_size)
        return _path_of(self._file)

    def finish(self, seal: Seal) -> None:
        """Memory is as durable as it will be."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._batches)

    def blocks(self) -> Iterator[NativeBlock]:
        return iter(self._blocks)

    def delete(self) -> None:
        self._batches, self._blocks = [], []
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _take(self, size: int) -> None:
        if self._bytes + size > self._max_bytes:
            raise StagingFull(
                f"A slice is larger than the {_said(self._max_bytes)} that in-memory staging may hold. "
                "Make slices smaller (targetSliceSize, sliceBytes), raise staging.maxBytes, "
                "or choose the staging provider local_disk.",
                role="staging",
                details={"maxBytes": self._max_bytes},
            )
        self._bytes += size


def _said(size: int) -> str:
    return f"{size / _MIB:.0f} MiB" if size >= _MIB else f"{size} bytes"


def _path_of(descriptor: int) -> Path:
    """A path by which this process, and nobody else, opens the same file again."""
    return Path(f"/proc/self/fd/{descriptor}")
