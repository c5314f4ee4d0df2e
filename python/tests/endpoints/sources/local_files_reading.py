"""Reading a folder of files as a run does, as the tests of the local-files source need it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from headrace.endpoints.sources.local_files import LocalFilesSource
from headrace.protocol import Json

INCREMENTAL: Mapping[str, Json] = {"mode": "incremental"}
FULL: Mapping[str, Json] = {"mode": "full"}


def source(base: Path, types: Mapping[str, str] | None = None, /, **parameters: str) -> LocalFilesSource:
    return LocalFilesSource({"base_path": str(base), "column_types": json.dumps(types or {}), **parameters})


def carried(
    opened: LocalFilesSource, unit_id: str, checkpoint: Json = None, policy: Mapping[str, Json] = FULL
) -> tuple[list[dict[str, Any]], Json]:
    """Every row that is new since ``checkpoint``, and the checkpoint after them, which went through JSON."""
    rows: list[dict[str, Any]] = []
    with closing(opened):
        for slice_ in opened.plan(unit_id, checkpoint, policy).slices:
            for batch in opened.read(unit_id, slice_, policy):
                rows.extend(batch.to_pylist())
            checkpoint = slice_.to_checkpoint
    return rows, json.loads(json.dumps(checkpoint))


def rows_of(base: Path, unit_id: str, types: Mapping[str, str] | None = None, /, **parameters: str) -> list[Any]:
    return carried(source(base, types, **parameters), unit_id)[0]


def new_since(base: Path, unit_id: str, checkpoint: Json, **policy: Json) -> tuple[list[dict[str, Any]], Json]:
    return carried(source(base), unit_id, checkpoint, {**INCREMENTAL, **policy})


def listed(base: Path, **parameters: str) -> list[str]:
    return [unit.unit_id for unit in source(base, **parameters).list_units()]


def text(path: Path, content: str = "a\n1\n") -> Path:
    """The file, made with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path
