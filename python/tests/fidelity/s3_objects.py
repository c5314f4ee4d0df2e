"""A bucket in the matrix: files of the corpus as objects, and what a run left below a prefix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fidelity.contract import Found
from fidelity.parquet_files import found_in, writers_of
from fidelity.telling import Told
from s3_servers import S3Server, fresh_prefix, s3_server

from headrace.endpoints.sinks.s3 import S3Sink
from headrace.endpoints.sources.s3 import S3Source


class ObjectOrigin:
    """``files`` makes the file; it is read as an object of a prefix of its own."""

    def __init__(self, files: Any) -> None:
        self._files = files
        self._server: S3Server = s3_server()
        self._prefix = fresh_prefix()
        self.unit_id: str = files.unit_id
        self.policy: Mapping[str, Any] = files.policy

    def columns(self) -> Mapping[str, str]:
        return self._files.columns()

    def told(self, columns: Sequence[str]) -> Mapping[str, Told]:
        return self._files.told(columns)

    def open(self, columns: Sequence[str]) -> S3Source:
        parameters = self._files.written(columns)
        self._server.write(f"{self._prefix}/{self.unit_id}", (self._files.base / self.unit_id).read_bytes())
        return S3Source(self._server.parameters(self._prefix, **parameters))


class BucketPlace:
    """A prefix of its own. A stranger copies what is there into ``base`` and looks at the copies."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._server: S3Server = s3_server()
        self._prefix = fresh_prefix()

    def open(self) -> S3Sink:
        return S3Sink(self._server.parameters(self._prefix))

    def found(self) -> Mapping[str, Found]:
        return found_in(self._copies())

    def writers(self) -> set[str]:
        return writers_of(self._copies())

    def _copies(self) -> Sequence[Path]:
        """In the order of slots, and of the files within one."""
        self._base.mkdir(exist_ok=True)
        keys = sorted(key for key in self._server.keys(self._prefix) if key.endswith(".parquet"))
        copies = [self._base / f"{number}.parquet" for number in range(len(keys))]
        for key, copy in zip(keys, copies, strict=True):
            copy.write_bytes(self._server.read(f"{self._prefix}/{key}"))
        return copies
