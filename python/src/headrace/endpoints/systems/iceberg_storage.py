"""Files of a warehouse, durable before anybody is told of them.

On this machine's own disks PyIceberg leaves what it wrote to the system, and a
power failure could leave a catalog that names a metadata file of zeros. Object
stores answer when they have an object, so there its own class does.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from pyarrow.fs import LocalFileSystem
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO


class DurableFileIO(PyArrowFileIO):
    """Found by its name, which the catalog's properties hold."""

    def new_output(self, location: str) -> PyArrowFile:
        file = super().new_output(location)
        scheme, _, path = self.parse_location(location)
        return _LocalFile(location, path, LocalFileSystem()) if scheme == "file" else file


class _LocalFile(PyArrowFile):
    def create(self, overwrite: bool = False) -> Any:
        path = Path(self._path)
        missing = [parent for parent in path.parents if not parent.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        for made in reversed(missing):
            _flush(made.parent)
        return FlushedFile(path, "wb" if overwrite else "xb")


class FlushedFile:
    """A file that closing forces to the disk, with its name in the directory. One that breaks off is taken away."""

    def __init__(self, path: Path, mode: str) -> None:
        self._path = path
        self._file = path.open(mode)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: Any) -> int:
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            with self._file as file:
                file.flush()
                os.fsync(file.fileno())
            _flush(self._path.parent)
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise

    def __enter__(self) -> FlushedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        with contextlib.suppress(OSError):  # what is left in the buffer, and is not wanted
            self._file.close()
        self._path.unlink(missing_ok=True)


def _flush(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
