"""A load onto a disk that ends: run by ``test_iceberg_sink_full.py``, in a process that alone sees so small a disk.

``FOLDER LIMIT``: slices go there until one does not fit, or no file may grow
beyond LIMIT bytes. What is told, what a stranger sees and what is left is
printed, and how many slices there are when the same run was begun again, with a
little more room.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from iceberg_writing import IcebergWriting, note, sqlite_catalog

from headrace.errors import DataPlaneError

BALLAST = 48 * 1024
"""What is given back when the disk is full, for one slice more."""


def fill(folder: Path, limit: int) -> dict[str, Any]:
    writing = IcebergWriting(sqlite_catalog(folder))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit or resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (folder / "ballast").write_bytes(bytes(BALLAST))
    target, committed = writing.to("append"), 0
    try:
        while True:
            writing.put(target, [slice_of(committed)], epoch=committed + 1, first=committed)
            committed += 1
    except DataPlaneError as error:
        (folder / "ballast").unlink()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        told = {"tag": error.tag, "seen": seen(writing), "left": writing.unnamed_files(), "committed": committed}
    writing.put(target, [slice_of(committed)], epoch=committed + 2, first=committed)
    return {**told, "then": seen(writing)}


def slice_of(number: int) -> dict[str, Any]:
    return note(number, os.urandom(1024).hex())


def seen(writing: IcebergWriting) -> int:
    return writing.table().scan().to_arrow().num_rows if writing.exists() else 0


if __name__ == "__main__":
    print(json.dumps(fill(Path(sys.argv[1]), int(sys.argv[2]))))
