"""A bucket as a source keeps the contract: each format, alone, many below a prefix, and our own.

Once: what it needs of a server is what ``Bucket`` promises, and that is tested on each.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from endpoints.sinks.local_files_kit import land_in, target
from endpoints.sources.compressing import READ
from endpoints.sources.test_local_files_source import order, table
from s3_servers import fresh_prefix, hours_of_objects, s3_server

from headrace.endpoints.sinks.s3 import S3Sink
from headrace.endpoints.sources import s3_seen
from headrace.endpoints.sources.s3 import S3Source
from headrace.endpoints.systems.s3 import S3System
from headrace.staging import Row
from headrace.testing.source_suite import SourceEndpointSuite

pytestmark = pytest.mark.s3_server

TYPES: Mapping[str, str] = {"id": "int64", "amount": "decimal(12,2)", "open": "bool"}


def csv_of(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows([{**row, "open": str(row["open"]).lower()} for row in rows])
    return text.getvalue().encode()


def jsonl_of(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps({**row, "amount": str(row["amount"])}) + "\n" for row in rows).encode()


def parquet_of(rows: Sequence[Row]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table(rows), buffer)
    return buffer.getvalue()


def arrow_of(rows: Sequence[Row]) -> bytes:
    buffer = io.BytesIO()
    with ipc.new_file(buffer, table(rows).schema) as writer:
        writer.write_table(table(rows))
    return buffer.getvalue()


ENCODED = {
    "csv": csv_of, "jsonl": jsonl_of, "parquet": parquet_of, "arrow": arrow_of,
    "csv.zst": lambda rows: READ[".zst"](csv_of(rows)), "jsonl.gz": lambda rows: READ[".gz"](jsonl_of(rows)),
}  # fmt: skip


class S3Suite(SourceEndpointSuite):
    column_types: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _prefix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_seen, "MOST_KNOWN", 2)  # so that the bound is met, and sums count too
        self.hours = hours_of_objects(monkeypatch)
        self.server, self.prefix = s3_server(), fresh_prefix()
        self.written: list[Row] = []
        self.add(*map(order, range(1, 5)))
        self.add(*map(order, range(5, 8)))

    def described(self) -> type[S3System]:
        return S3System

    def parameters(self) -> dict[str, str]:
        return self.server.parameters(self.prefix, column_types=json.dumps(self.column_types))

    def source(self) -> S3Source:
        return S3Source(self.parameters())

    def rows(self) -> Sequence[Row]:
        return self.written

    def change(self) -> Sequence[Row]:
        new = [order(len(self.written) + 1), order(len(self.written) + 2)]
        self.add(*new)
        return new

    def add(self, *rows: Row) -> None:
        self.write(rows, len(self.written))
        self.written.extend(rows)

    def write(self, rows: Sequence[Row], before: int) -> None:
        folder, _, pattern = self.unit_id.rpartition("/")
        ending = pattern.partition(".")[2]
        # Names that do not sort in the order in which the objects come.
        key = f"{folder}/{(before * 7) % 10}-{before}.{ending}"
        self.server.write(f"{self.prefix}/{key}", ENCODED[ending](rows))
        self.hours[key] = before


class TestCsvObjects(S3Suite):
    unit_id = "2024/*.csv"
    column_types: ClassVar[Mapping[str, str]] = TYPES


class TestJsonLinesObjects(S3Suite):
    unit_id = "2024/*.jsonl"
    column_types: ClassVar[Mapping[str, str]] = {"amount": "decimal(12,2)"}


class TestCompressedCsvObjects(S3Suite):
    unit_id = "2024/*.csv.zst"
    column_types: ClassVar[Mapping[str, str]] = TYPES


class TestCompressedJsonLinesObjects(S3Suite):
    unit_id = "2024/*.jsonl.gz"
    column_types: ClassVar[Mapping[str, str]] = {"amount": "decimal(12,2)"}


class TestParquetObjects(S3Suite):
    unit_id = "2024/*.parquet"


class TestArrowObjects(S3Suite):
    unit_id = "2024/*.arrow"


class TestWhatOurSinkWrote(S3Suite):
    unit_id = "public.orders"

    def write(self, rows: Sequence[Row], before: int) -> None:
        land_in(S3Sink(self.server.parameters(self.prefix)), target(), table(rows))
