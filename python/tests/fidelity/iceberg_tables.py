"""Iceberg in the matrix: a catalog of its own, whose table DuckDB reads without our code and without PyIceberg."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from fidelity.contract import KEY, Found
from fidelity.meanings import of_arrow
from fidelity.parquet_files import writers_of
from fidelity.telling import by_arrow
from iceberg_reading import duckdb_table
from iceberg_writing import sqlite_catalog
from pyiceberg.table import Table
from pyiceberg.types import DecimalType, FixedType, IcebergType, ListType, MapType, StructType

from headrace.endpoints.sinks.iceberg import IcebergSink
from headrace.endpoints.systems.iceberg_catalog import open_catalog
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters

_ARROW: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(),
    "date": pa.date32(), "time": pa.time64("us"), "timestamp": pa.timestamp("us"), "uuid": pa.uuid(),
    "timestamptz": pa.timestamp("us", "UTC"), "string": pa.string(), "binary": pa.binary(),
}  # fmt: skip
"""What means the same in Arrow."""


class IcebergPlace:
    """A SQLite catalog and a folder."""

    def __init__(self, base: Path) -> None:
        base.mkdir()
        self._parameters = {**sqlite_catalog(base), "namespace": "lake"}

    def open(self) -> IcebergSink:
        return IcebergSink(self._parameters)

    def found(self) -> Mapping[str, Found]:
        table = self._table()
        read = duckdb_table(table.metadata_location)
        rows = read.take(pc.sort_indices(read[KEY]))
        kinds = {field.name: field.field_type for field in table.schema().fields}
        return {
            name: Found(_spelled(kind), of_arrow(_as_arrow(kind)), by_arrow(rows[name])) for name, kind in kinds.items()
        }

    def writers(self) -> set[str]:
        files = (task.file.file_path for task in self._table().scan().plan_files())
        return writers_of([Path(file.removeprefix("file://")) for file in files])

    def _table(self) -> Table:
        catalog = open_catalog(IcebergParameters.parse(self._parameters))
        (name,) = (each for each in catalog.list_tables("lake") if each[-1] != "headrace_fence")
        return catalog.load_table(name)


def _as_arrow(kind: IcebergType) -> pa.DataType:
    match kind:
        case DecimalType():
            return pa.decimal128(kind.precision, kind.scale)
        case FixedType():
            return pa.binary(len(kind))
        case ListType():
            return pa.list_(_as_arrow(kind.element_type))
        case MapType():
            return pa.map_(_as_arrow(kind.key_type), _as_arrow(kind.value_type))
        case StructType():
            return pa.struct([(part.name, _as_arrow(part.field_type)) for part in kind.fields])
        case _:
            return _ARROW[str(kind)]


def _spelled(kind: IcebergType) -> str:
    """As Iceberg's specification does, without the ids within."""
    match kind:
        case ListType():
            return f"list<{_spelled(kind.element_type)}>"
        case MapType():
            return f"map<{_spelled(kind.key_type)}, {_spelled(kind.value_type)}>"
        case StructType():
            return f"struct<{', '.join(f'{part.name}: {_spelled(part.field_type)}' for part in kind.fields)}>"
        case _:
            return str(kind).replace(", ", ",")
