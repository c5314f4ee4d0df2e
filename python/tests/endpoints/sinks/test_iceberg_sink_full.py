"""A warehouse that takes no more, at any file of a load: nothing half done is seen or left; the next run goes on."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from iceberg_writing import IcebergWriting, note, sqlite_catalog
from small_disk import may_mount, small_disk

from headrace.endpoints.systems.iceberg_storage import FlushedFile
from headrace.errors import DataPlaneError

CHILD = Path(__file__).with_name("iceberg_full_child.py")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


class Store:
    """Takes files until the one of number ``full_from``; from there no ``verb``, write or fsync, works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[str] = []
        self._full_from, self._verb, self._error = 0, "", NO_SPACE
        monkeypatch.setattr(FlushedFile, "__init__", self._noting(FlushedFile.__init__))
        monkeypatch.setattr(FlushedFile, "write", self._refusing("write", FlushedFile.write))
        monkeypatch.setattr(os, "fsync", self._refusing("fsync", os.fsync))

    @contextmanager
    def full(self, full_from: int, verb: str, error: OSError = NO_SPACE) -> Iterator[None]:
        self.files, self._full_from, self._verb, self._error = [], full_from, verb, error
        try:
            yield
        finally:
            self._full_from = 0

    def _noting(self, real: Callable[..., None]) -> Callable[..., None]:
        def make(file: FlushedFile, path: Path, mode: str) -> None:
            self.files.append(path.suffix)
            real(file, path, mode)

        return make

    def _refusing(self, verb: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*given: Any) -> Any:
            if verb == self._verb and 0 < self._full_from <= len(self.files):
                raise self._error
            return real(*given)

        return refuse


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


REFUSALS: Sequence[tuple[OSError, str]] = (
    (OSError("AWS Error UNKNOWN (HTTP status 507) during PutObject operation: XMinioStorageFull"), "SinkFull"),
    (OSError("AWS Error ACCESS_DENIED during PutObject operation: Access Denied."), "PermissionDenied"),
    (OSError(errno.EACCES, "Permission denied"), "PermissionDenied"),
    (
        OSError("AWS Error SLOW_DOWN during PutObject operation: Please reduce your request rate."),
        "EndpointUnreachable",
    ),
)
"""What a store says, and what a run ends with."""


@pytest.mark.parametrize("suffix", [".parquet", ".avro", ".json"])
@pytest.mark.parametrize(("error", "tag"), REFUSALS, ids=lambda each: each if isinstance(each, str) else "")
def test_a_store_that_refuses_a_file_is_told_by_what_it_says_and_nothing_of_the_slice_is_left(
    writing: IcebergWriting, store: Store, error: OSError, tag: str, suffix: str
) -> None:
    target = writing.to("append")
    with writing.owner(target) as sink:
        writing.write(sink, target, [note(1)], seq=0)
        with store.full(0, "write"):
            writing.write(sink, target, [note(2)], seq=1)

        with store.full(store.files.index(suffix) + 1, "write", error), pytest.raises(DataPlaneError) as refusal:
            writing.write(sink, target, [note(3)], seq=2)
        assert refusal.value.tag == tag
        assert (writing.notes(), writing.unnamed_files()) == ([(1, "old"), (2, "old")], [])

        writing.write(sink, target, [note(3)], seq=2)

    assert writing.notes() == [(1, "old"), (2, "old"), (3, "old")]


# ---- a disk


@pytest.mark.parametrize("kibibytes", [160, 192, 256])
def test_a_disk_that_is_full_is_reported_as_a_full_sink_and_a_run_goes_on_when_there_is_room(
    tmp_path: Path, kibibytes: int
) -> None:
    """F20: a real one, with the catalog's own database on it."""
    # Where no file system may be mounted, the limit on the size of a file stands in for its end.
    disk, limit = (small_disk(tmp_path, kibibytes), 0) if may_mount() else ((), kibibytes * 256)
    done = subprocess.run(
        [*disk, sys.executable, "-W", "ignore", str(CHILD), str(tmp_path), str(limit)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["tag"] == "SinkFull"
    assert told["seen"] == told["committed"] and told["left"] == []
    assert told["then"] == told["committed"] + 1


def load(writing: IcebergWriting, disposition: str, generation: int, epoch: int) -> None:
    rows = [note(number, str(generation)) for number in (1, 2, 3)]
    writing.put(writing.to(disposition, generation), rows, epoch=epoch)


def texts(writing: IcebergWriting) -> list[str]:
    return writing.table().scan().to_arrow()["note"].to_pylist()


def lake_of(writing: IcebergWriting) -> Path:
    return Path(writing.parameters["warehouse"])


@pytest.mark.parametrize("verb", ["write", "fsync"])
@pytest.mark.parametrize("disposition", ["merge", "replace"])
def test_a_warehouse_that_is_full_at_any_file_of_a_load_keeps_what_it_had_and_nothing_of_the_load(
    writing: IcebergWriting, store: Store, disposition: str, verb: str
) -> None:
    """F20, I7"""
    load(writing, disposition, 1, epoch=1)
    with store.full(0, verb):
        load(writing, disposition, 2, epoch=2)
    count = len(store.files)
    assert {".parquet", ".avro", ".json"} == set(store.files)

    for generation, number in enumerate(range(1, count + 1), 3):
        with store.full(number, verb), pytest.raises(DataPlaneError) as refusal:
            load(writing, disposition, generation, epoch=2 * generation)
        assert (number, refusal.value.tag) == (number, "SinkFull")
        assert (number, texts(writing)) == (number, [str(generation - 1)] * 3)
        assert (number, writing.unnamed_files()) == (number, [])
        assert all(json.loads(path.read_text()) for path in lake_of(writing).rglob("*.json"))

        load(writing, disposition, generation, epoch=2 * generation + 1)

        assert (number, texts(writing)) == (number, [str(generation)] * 3)
