"""Writing slices into real Iceberg tables as a run does, and reading them there as a stranger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from iceberg_reading import duckdb_table
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from headrace.endpoint import Applied, Policy, SinkEndpoint, Target
from headrace.endpoints.sinks.iceberg import IcebergSink
from headrace.endpoints.systems.iceberg_catalog import open_catalog, table_name
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters
from headrace.staging import Row
from headrace.testing.sink_writing import SinkWriting

NOTES = pa.schema([("id", pa.int64()), ("note", pa.string())])
TOMBSTONES = NOTES.append(pa.field("_headrace_op", pa.int8()))


def note(number: int | None, text: str | None = "old", **more: Any) -> dict[str, Any]:
    return {"id": number, "note": text, **more}


def sqlite_catalog(folder: Path) -> dict[str, str]:
    return {"catalog_type": "sql", "catalog_uri": f"sqlite:///{folder}/catalog.db", "warehouse": str(folder / "lake")}


class IcebergWriting(SinkWriting):
    """What a test writes with; rows have an id and a note unless the test says otherwise."""

    def __init__(self, parameters: Mapping[str, str], unit_id: str = "public.orders") -> None:
        self.parameters, self.unit_id = dict(parameters), unit_id

    def sink(self) -> IcebergSink:
        return IcebergSink(self.parameters)

    def stored(self, target: Target) -> Sequence[Row]:
        return self.rows()

    def to(self, disposition: Any, generation: int = 1, key: tuple[str, ...] = ("id",)) -> Target:
        return Target(
            unit=f"dev/shop/{self.unit_id}/lake",
            unit_id=self.unit_id,
            run_id="ingestion-shop-orders-3f0e3c4a-6f0a-4c37-9d4f-0d6f6b0a9a10",
            generation=generation,
            disposition=disposition,
            primary_key=key,
        )

    def write(
        self,
        sink: SinkEndpoint,
        target: Target,
        rows: Sequence[Row],
        *,
        seq: int,
        epoch: int = 1,
        prev_hash: str | None = None,
        schema: pa.Schema = NOTES,
    ) -> Applied:
        return super().write(sink, target, rows, seq=seq, epoch=epoch, prev_hash=prev_hash, schema=schema)

    @contextmanager
    def owner(
        self, target: Target, epoch: int = 1, schema: pa.Schema = NOTES, policy: Policy | None = None
    ) -> Iterator[IcebergSink]:
        """A sink that has the fence and is prepared."""
        with closing(self.sink()) as sink:
            sink.high_water(target, epoch)
            sink.prepare(target, self.schema(without_operation(schema)), policy or {})
            yield sink

    def put(
        self,
        target: Target,
        *slices: Sequence[Row],
        epoch: int = 1,
        schema: pa.Schema = NOTES,
        policy: Policy | None = None,
        first: int = 0,
        complete: bool = True,
    ) -> list[Applied]:
        """A whole run of these slices, the first of which is number ``first``."""
        with self.owner(target, epoch, schema, policy) as sink:
            applied = [
                self.write(sink, target, rows, seq=seq, epoch=epoch, schema=schema)
                for seq, rows in enumerate(slices, first)
            ]
            if complete:
                sink.complete(target, policy or {})
        return applied

    # ---- as a stranger

    def catalog(self) -> Catalog:
        return open_catalog(IcebergParameters.parse(self.parameters))

    def table(self) -> Table:
        return self.catalog().load_table(table_name(self.unit_id, self.parameters.get("namespace")).identifier)

    def exists(self) -> bool:
        return self.catalog().table_exists(table_name(self.unit_id, self.parameters.get("namespace")).identifier)

    def rows(self) -> list[dict[str, Any]]:
        """As DuckDB reads them, in order of the first column; nothing where there is no table."""
        if not self.exists():
            return []
        found = duckdb_table(self.table().metadata_location)
        return found.sort_by(found.column_names[0]).to_pylist()

    def notes(self) -> list[tuple[Any, Any]]:
        return [(row["id"], row["note"]) for row in self.rows()]

    def unnamed_files(self) -> list[str]:
        """Data files and manifests in the warehouse that no snapshot of the table names."""
        table, named = self.table(), set[str]()
        for snapshot in table.snapshots():
            manifests = snapshot.manifests(table.io)
            entries = (manifest.fetch_manifest_entry(table.io, discard_deleted=False) for manifest in manifests)
            named |= {snapshot.manifest_list, *(manifest.manifest_path for manifest in manifests)}
            named |= {entry.data_file.file_path for found in entries for entry in found}
        there = Path(table.location().removeprefix("file://"))
        files = (*there.glob("data/*"), *there.glob("metadata/*.avro"))
        return sorted(path.name for path in files if f"file://{path}" not in named)


def without_operation(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if field.name != "_headrace_op"])
