"""The files of one staging session: Arrow streams by schema, native blocks or a native file, and a manifest.

``.part`` in a name means not finished. The manifest comes last: without it the
rest counts for nothing. The session holds the lock of its directory as long as
it lives, so that a sweeper sees an owner whatever the clocks say.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import struct
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from headrace.errors import ConfigInvalid, EndpointUnreachable, PermissionDenied, StagingFull
from headrace.staging import NativeBlock, Seal

_BLOCK = struct.Struct(">QQ")
_FORMAT_FILE = "blocks.format"
_SUMMED_BYTES = 1024 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class SessionDirectory:
    """The store of a session on disk. ``directory`` is this session's alone, which ``lock`` of it proves."""

    def __init__(self, directory: Path, root: Path, lock: int, max_bytes: int) -> None:
        self._directory = directory
        self._root = root
        self._lock = lock
        self._max_bytes = max_bytes
        self._bytes = 0
        self._streams: list[Path] = []
        self._sums: dict[str, int] = {}
        """CRC-32 of each finished file, by its name: what comes back must be what was staged."""
        self._schema: pa.Schema | None = None
        self._file: _Summed | None = None
        self._writer: pa.RecordBatchWriter | None = None

    def append(self, batch: pa.RecordBatch) -> None:
        with explained(self._directory):
            if self._schema is None or not self._schema.equals(batch.schema, check_metadata=True):
                self._start_stream(batch.schema)
            self._take(batch.nbytes)
            if self._writer is not None:
                self._writer.write_batch(batch)

    def append_native(self, block: NativeBlock) -> None:
        with explained(self._directory):
            if self._file is None:
                (self._directory / _FORMAT_FILE).write_text(block.format)
                self._file = _Summed(self._open("blocks.part"))
            self._take(len(block.data))
            self._file.write(_BLOCK.pack(len(block.data), block.rows))
            self._file.write(block.data)

    def native_path(self) -> Path:
        return self._directory / "file.part"

    def keep_native_file(self) -> Path:
        with explained(self._directory):
            part, whole = self.native_path(), self._directory / "file"
            self._take(part.stat().st_size)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            return part.rename(whole)

    def finish(self, seal: Seal) -> None:
        with explained(self._directory):
            self._end_stream()
            manifest = {"rows": seal.rows, "bytes": seal.bytes, "sha256": seal.sha256}
            with self._open("manifest.part") as file:
                file.write(json.dumps(manifest).encode())
                _flush(file)
            (self._directory / "manifest.part").rename(self._directory / "manifest.json")
            _flush_directory(self._directory)

    def batches(self) -> Iterator[pa.RecordBatch]:
        if self._writer is not None:
            self._end_stream()
        for path in self._streams:
            with _as_it_was_staged(path):
                self._require_unharmed(path)
                with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
                    yield from stream

    def blocks(self) -> Iterator[NativeBlock]:
        named = self._directory / _FORMAT_FILE
        if not named.exists():
            return
        path = self._directory / "blocks"
        with _as_it_was_staged(path), path.open("rb") as file:
            self._require_unharmed(path)
            while head := file.read(_BLOCK.size):
                size, rows = _BLOCK.unpack(head)
                yield NativeBlock(format=named.read_text(), data=file.read(size), rows=rows)

    def delete(self) -> None:
        try:
            for unfinished in (self._writer, self._file):
                with suppress(OSError):  # a full disk has no room for the end of what is to go anyway
                    if unfinished is not None:
                        unfinished.close()
            with explained(self._directory):
                remove_session(self._directory, self._root)
        finally:
            os.close(self._lock)

    def _start_stream(self, schema: pa.Schema) -> None:
        self._end_stream()
        self._file = _Summed(self._open(f"rows-{len(self._streams)}.part"))
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, "w"), schema)
        self._schema = schema

    def _end_stream(self) -> None:
        if self._file is None:
            return
        if self._writer is not None:
            self._writer.close()
        _flush(self._file.file)
        self._file.close()
        part = Path(self._file.file.name)
        part.rename(part.with_suffix(""))
        self._sums[part.stem] = self._file.sum
        if self._writer is not None:
            self._streams.append(part.with_suffix(""))
        self._file = self._writer = self._schema = None

    def _require_unharmed(self, path: Path) -> None:
        found = 0
        with path.open("rb") as file:
            while part := file.read(_SUMMED_BYTES):
                found = zlib.crc32(part, found)
        if found != self._sums[path.name]:
            raise pa.ArrowInvalid("other bytes than were staged")

    def _open(self, name: str) -> BinaryIO:
        return open(self._directory / name, "xb", opener=lambda path, flags: os.open(path, flags, 0o600))

    def _take(self, size: int) -> None:
        if self._bytes + size > self._max_bytes:
            raise StagingFull(
                f"A slice is larger than the {self._max_bytes / 1024**3:.1f} GiB that staging on disk may hold. "
                "Make slices smaller (targetSliceSize, sliceBytes).",
                role="staging",
                details={"maxBytes": self._max_bytes},
            )
        self._bytes += size


class _Summed:
    """A file that is written, and the CRC-32 of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.sum = 0

    @property
    def closed(self) -> bool:
        return self.file.closed

    def write(self, data: bytes | memoryview) -> int:
        self.sum = zlib.crc32(data, self.sum)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()


SETTING = "HEADRACE_DATA (in plain Python HEADRACE_STAGING_DIR)"
"""What decides where staging lies: the server and the command put it below their data directory."""


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Say what a failure of the file system means for staging."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StagingFull(
                f"No space is left for staging in {path}. Free some, or set {SETTING} to a larger disk.",
                role="staging",
            ) from error
        if error.errno in _FORBIDDEN:
            raise PermissionDenied(
                f"Staging may not write in {path}. Allow it, or set {SETTING} to another directory.",
                role="staging",
            ) from error
        raise ConfigInvalid(
            f"Staging cannot use {path}: {error.strerror or error}. Set {SETTING} to another directory.",
            role="staging",
            details={"field": "HEADRACE_STAGING_DIR"},
        ) from error


def remove_session(directory: Path, root: Path) -> None:
    """Delete a session's directory, and those above it that nobody else needs. Its lock is the caller's."""
    with suppress(FileNotFoundError):  # somebody emptied the staging directory by hand
        shutil.rmtree(directory)
    for parent in directory.parents:
        if parent == root or not removed_if_empty(parent):
            return


def removed_if_empty(directory: Path) -> bool:
    """False: another session lives there. One that is just being made there is made again by its owner."""
    try:
        directory.rmdir()
    except OSError:
        return False
    return True


def lock(directory: Path, *, wait: bool) -> int:
    """Lock a session's directory until the descriptor is closed.

    Raises:
        FileNotFoundError: It is gone, or was when we had its lock; another may have its name by now.
        BlockingIOError: Not to ``wait``, and it has an owner.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if not os.path.samestat(os.fstat(descriptor), directory.stat(follow_symlinks=False)):
            raise FileNotFoundError(errno.ENOENT, "the session is gone", str(directory))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _as_it_was_staged(path: Path) -> Generator[None]:
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise EndpointUnreachable(
            f"{path} is gone, or is not what was staged. See that nobody else writes or deletes there, then start "
            "again: the slice is read anew.",
            role="staging",
            details={"part": path.name},
        ) from error


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
