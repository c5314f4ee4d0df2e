"""Local files as a source keep the contract: each format, alone, many in a folder, and as our own sink writes them."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from endpoints.sinks.local_files_kit import land, target
from endpoints.sources.compressing import READ

from headrace.endpoints.sources.local_files import LocalFilesSource
from headrace.endpoints.systems.local_files import LocalFilesSystem
from headrace.staging import Row
from headrace.testing.source_suite import SourceEndpointSuite


def order(number: int) -> dict[str, object]:
    name = f"order {number}\nnext line"
    return {"id": number, "name": name, "amount": Decimal(f"{number}.25"), "open": number % 2 == 0}


def table(rows: Sequence[Row]) -> pa.Table:
    kinds = {"id": pa.int64(), "name": pa.string(), "amount": pa.decimal128(12, 2), "open": pa.bool_()}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


class LocalFilesSuite(SourceEndpointSuite):
    column_types: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.base = tmp_path / "base"
        self.base.mkdir()
        self.written: list[Row] = []
        self.add(*map(order, range(1, 5)))
        self.add(*map(order, range(5, 8)))

    def described(self) -> type[LocalFilesSystem]:
        return LocalFilesSystem

    def parameters(self) -> dict[str, str]:
        return {"base_path": str(self.base), "column_types": json.dumps(self.column_types)}

    def source(self) -> LocalFilesSource:
        return LocalFilesSource(self.parameters())

    def rows(self) -> Sequence[Row]:
        return self.written

    def change(self) -> Sequence[Row]:
        new = [order(len(self.written) + 1), order(len(self.written) + 2)]
        self.add(*new)
        return new

    def add(self, *rows: Row) -> None:
        """Write more rows where the unit is."""
        self.write(rows, len(self.written))
        self.written.extend(rows)

    def write(self, rows: Sequence[Row], before: int) -> None:
        raise NotImplementedError


class TestCsvFile(LocalFilesSuite):
    unit_id = "2024/orders.csv"
    column_types: ClassVar[Mapping[str, str]] = {"id": "int64", "amount": "decimal(12,2)", "open": "bool"}

    def write(self, rows: Sequence[Row], before: int) -> None:
        path = self.base / self.unit_id
        path.parent.mkdir(exist_ok=True)
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            if before == 0:
                writer.writeheader()
            writer.writerows([{**row, "open": str(row["open"]).lower()} for row in rows])


class TestCsvFolder(TestCsvFile):
    unit_id = "2024/*.csv"

    def write(self, rows: Sequence[Row], before: int) -> None:
        folder = self.base / "2024"
        folder.mkdir(exist_ok=True)
        with (folder / f"{before:04}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows([{**row, "open": str(row["open"]).lower()} for row in rows])


class TestCompressedCsvFolder(TestCsvFolder):
    unit_id = "2024/*.csv.gz"

    def write(self, rows: Sequence[Row], before: int) -> None:
        super().write(rows, before)
        plain = self.base / "2024" / f"{before:04}.csv"
        plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()


class TestCompressedJsonLinesFolder(LocalFilesSuite):
    unit_id = "events/*.jsonl.zst"
    column_types: ClassVar[Mapping[str, str]] = {"amount": "decimal(12,2)"}

    def write(self, rows: Sequence[Row], before: int) -> None:
        (self.base / "events").mkdir(exist_ok=True)
        lines = "".join(json.dumps({**row, "amount": float(row["amount"])}) + "\n" for row in rows)
        (self.base / "events" / f"{before:04}.jsonl.zst").write_bytes(READ[".zst"](lines.encode()))


class TestJsonLinesFile(LocalFilesSuite):
    unit_id = "orders.jsonl"
    column_types: ClassVar[Mapping[str, str]] = {"amount": "decimal(12,2)"}

    def write(self, rows: Sequence[Row], before: int) -> None:
        with (self.base / self.unit_id).open("a") as file:
            file.writelines(json.dumps({**row, "amount": float(row["amount"])}) + "\n" for row in rows)


class TestParquetFolder(LocalFilesSuite):
    unit_id = "orders/*.parquet"

    def write(self, rows: Sequence[Row], before: int) -> None:
        (self.base / "orders").mkdir(exist_ok=True)
        pq.write_table(table(rows), self.base / "orders" / f"{before:04}.parquet")


class TestArrowFolder(LocalFilesSuite):
    unit_id = "orders/*.arrow"

    def write(self, rows: Sequence[Row], before: int) -> None:
        (self.base / "orders").mkdir(exist_ok=True)
        found = table(rows)
        with ipc.new_file(str(self.base / "orders" / f"{before:04}.arrow"), found.schema) as writer:
            writer.write_table(found, max_chunksize=3)


class TestFolderOfOurSink(LocalFilesSuite):
    unit_id = "public.orders"

    def write(self, rows: Sequence[Row], before: int) -> None:
        land(self.base, target(), table(rows))
