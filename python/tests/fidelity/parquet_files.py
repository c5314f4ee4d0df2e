"""Parquet that a sink wrote, in the words of the format, as pyarrow reads it without our code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fidelity.contract import Found
from fidelity.meanings import of_arrow
from fidelity.telling import by_arrow

from headrace.endpoints.sinks.local_files import LocalFilesSink


class ParquetPlace:
    """A directory of its own."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def open(self) -> LocalFilesSink:
        return LocalFilesSink({"base_path": str(self.base)})

    def found(self) -> Mapping[str, Found]:
        return found_in(self.files())

    def writers(self) -> set[str]:
        return writers_of(self.files())

    def files(self) -> Sequence[Path]:
        slot = {
            path: int(path.parent.name.removeprefix("slice=")) for path in self.base.glob("*/gen=*/slice=*/*.parquet")
        }
        return sorted(slot, key=slot.__getitem__)


def writers_of(files: Sequence[Path]) -> set[str]:
    return {pq.ParquetFile(path).metadata.created_by.split()[0] for path in files}


def found_in(files: Sequence[Path]) -> Mapping[str, Found]:
    """The columns of files that are read one after the other; each has the same in all of them."""
    tables = [pq.read_table(path, use_threads=False) for path in files]
    types = [types_of(path) for path in files]
    assert all(each == types[0] for each in types)
    whole, seen = pa.concat_tables(tables), _without_arrow(tables[0].schema)
    return {
        name: Found(types[0][name], of_arrow(seen.field(name).type), by_arrow(whole[name]))
        for name in whole.column_names
    }


def _without_arrow(schema: pa.Schema) -> pa.Schema:
    """What the columns are to who does not read the schema of Arrow that lies in the footer."""
    into = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), into, store_schema=False)
    return pq.read_schema(pa.BufferReader(into.getvalue()))


def types_of(path: Path) -> Mapping[str, str]:
    """Each column with its type as Parquet spells it."""
    file = pq.ParquetFile(path)
    leaves = (file.schema.column(index) for index in range(len(file.schema)))
    return {field.name: _spelled(field.type, leaves) for field in file.schema_arrow}


def _spelled(kind: pa.DataType, leaves: Iterator[Any]) -> str:
    """Takes as many of the leaves as the column has."""
    if isinstance(kind, pa.BaseExtensionType) and kind.num_fields:
        kind = kind.storage_type
    if pa.types.is_struct(kind):
        return f"group({', '.join(f'{part.name} {_spelled(part.type, leaves)}' for part in kind)})"
    if pa.types.is_map(kind):
        return f"MAP({_spelled(kind.key_type, leaves)}, {_spelled(kind.item_type, leaves)})"
    if kind.num_fields == 1 and not pa.types.is_dictionary(kind):
        return f"LIST({_spelled(kind.value_type, leaves)})"
    return _leaf(next(leaves))


def _leaf(column: Any) -> str:
    said = json.loads(column.logical_type.to_json())
    match said["Type"]:
        case "Int":
            is_plain = said["isSigned"] and said["bitWidth"] >= 32
            return column.physical_type if is_plain else f"{'U' * (not said['isSigned'])}INT({said['bitWidth']})"
        case "Decimal":
            return f"DECIMAL({said['precision']},{said['scale']})"
        case "Timestamp" | "Time" as name:
            unit, zone = said["timeUnit"][:-7].upper(), ", UTC" if said["isAdjustedToUTC"] else ""
            return f"{name.upper()}({unit}S{zone if name == 'Timestamp' else ''})"
        case "None" | "Undefined":
            size = f"({column.length})" if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else ""
            return f"{column.physical_type}{size}"
        case name:
            return name.upper()
