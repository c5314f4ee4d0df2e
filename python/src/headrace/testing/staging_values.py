"""Values that staging, and what lies behind it, must keep exactly; and values it must refuse rather than guess."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.staging import NativeFile, Row, StagingSession

_BERLIN = ZoneInfo("Europe/Berlin")
VALUES: Mapping[str, Sequence[Any]] = {
    "nulls": [None, None],
    "booleans": [True, None, False],
    "integers": [-(2**63), 0, None, 2**63 - 1],
    "floats": [0.1, -0.0, float("inf"), None],
    "text": ["", "Größe 😀 e\u0301", None, "\u0000"],
    "bytes": [b"", b"\x00\xff", None],
    "decimals": [Decimal("12345678901234567890.123456789"), Decimal("-0.5"), None],
    "wide decimals": [Decimal(10) ** 70 + 1],
    "dates": [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None],
    "times": [datetime.time(23, 59, 59, 999999)],
    "timestamps": [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), None],
    "timestamps with a zone": [datetime.datetime(2024, 10, 27, 2, 30, 0, 1, tzinfo=_BERLIN, fold=1)],
    "timestamps with an offset": [datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))],
    "durations": [datetime.timedelta(microseconds=-1)],
    "uuids": [uuid.UUID(int=1), None],
    "lists": [[1, None, 3], [], None],
    "objects": [{"a": 1, "b": {"c": [Decimal("1.5")]}}, {"a": None, "b": None}, None],
    "objects of different shape": [{"a": 1}, {"b": [1, "two", None, 2.5]}, [], None, {}],
}

REFUSED: Mapping[str, Sequence[Any]] = {
    "text after a number": [1, "two"],
    "a float after an integer": [1, 2.5],
    "an integer wider than 64 bits": [1, 2**63],
    "a lone surrogate": ["fine", "\ud800"],
    "a decimal that is not a number": [Decimal(1), Decimal("NaN")],
    "another zone": [
        datetime.datetime(2024, 1, 1, tzinfo=_BERLIN),
        datetime.datetime(2024, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")),
    ],
    "an object of Python": [1, object()],
}


def write_parquet(session: StagingSession, path: Path, rows: Sequence[Row]) -> None:
    """Write the rows, each with ``n`` and ``name``, where the session takes a file, and hand it over."""
    schema = pa.schema([("n", pa.int64()), ("name", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        writer.write_batch(pa.record_batch([[row[name] for row in rows] for name in schema.names], schema=schema))
    session.writer().write_native_file(NativeFile(format="parquet", path=path, rows=len(rows), schema=schema))
