"""Which partition each row of a slice lies in, and which columns can say so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from headrace.endpoint import Target
from headrace.endpoints.systems.files_partitions import NoFolder, folder, invalid, refuse_unknown
from headrace.errors import RowRejected

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def refuse_unfit_partitions(names: tuple[str, ...], target: Target, schema: pa.Schema) -> None:
    """Raises ``ConfigInvalid`` when the folders of ``names`` could not be read back, or would be misread."""
    if not names:
        return
    if target.disposition == "merge":
        raise invalid(
            "partition_by and the disposition merge do not go together: a newer version of a row may lie in another "
            "folder than the one before it. Choose append or replace, or leave partition_by out."
        )
    if not schema.names:
        return
    refuse_unknown(names, schema.names)
    for name in names:
        if not _is_exact(schema.field(name).type):
            raise invalid(
                f"partition_by names {name}, which is {schema.field(name).type}. A folder says texts, integers, dates "
                "and true or false exactly: name such a column, for instance the day of a time, made by a view."
            )


def refuse_unplaceable(names: tuple[str, ...], batch: pa.RecordBatch, first: int = 0) -> None:
    """Raises ``RowRejected`` for a row, counted from ``first``, that no folder can hold."""
    for name in names:
        if name in batch.schema.names:
            _folders(name, _encoded(batch.column(name)), first)


def partitions(names: tuple[str, ...], table: pa.Table, first: int) -> Iterator[tuple[str, pa.Table]]:
    """The folders of ``table``'s rows, and the rows of each, in their order. The first row is number ``first``."""
    if table.num_rows == 0:
        return
    paths: list[str] = [""]
    codes = pa.array([0] * table.num_rows, pa.int64())
    for name in names:
        encoded = _encoded(table.column(name).combine_chunks())
        folders = _folders(name, encoded, first)
        pairs = pc.add(pc.multiply(codes, len(folders)), encoded.indices.cast(pa.int64()))
        # Numbered anew, since the pairs that could be are soon more than a number can tell apart.
        found = pc.dictionary_encode(pairs)
        there: list[int] = found.dictionary.to_pylist()
        paths = [f"{paths[pair // len(folders)]}/{folders[pair % len(folders)]}" for pair in there]
        codes = found.indices.cast(pa.int64())
    order = pc.array_sort_indices(codes)
    ordered, at = table.take(order), 0
    for part in pc.value_counts(codes.take(order)).to_pylist():
        yield paths[int(part["values"])].removeprefix("/"), ordered.slice(at, part["counts"])
        at += part["counts"]


def null_partition(names: Sequence[str]) -> str:
    """Where a file without rows lies, so that all files lie equally deep."""
    return "/".join(folder(name, None) for name in names)


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    return pc.dictionary_encode(column, null_encoding="encode")


def _folders(name: str, encoded: pa.DictionaryArray, first: int) -> list[str]:
    """A folder for each value that there is."""
    is_day = pa.types.is_date(encoded.dictionary.type)
    found: list[str] = []
    for code, text in enumerate(encoded.dictionary.cast(pa.string()).to_pylist()):
        try:
            if is_day and text is not None and _DAY.fullmatch(text) is None:
                raise NoFolder("its year has not four digits")
            found.append(folder(name, text))
        except NoFolder as error:
            row = first + pc.index(encoded.indices, pa.scalar(code, encoded.indices.type)).as_py()
            raise RowRejected(
                f"Row {row} of the slice cannot lie in a folder of {name}: {error}. Correct the value, leave the row "
                "out with a filter, or leave the column out of partition_by.",
                role="sink",
                details={"column": name, "row": row},
            ) from None
    return found


def _is_exact(kind: pa.DataType) -> bool:
    types = pa.types
    is_text = types.is_string(kind) or types.is_large_string(kind)
    return is_text or types.is_integer(kind) or types.is_boolean(kind) or types.is_date32(kind)
