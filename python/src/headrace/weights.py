"""What rows weigh, in bytes of their values; of a batch without a look at one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc


def row_weights(batch: pa.RecordBatch) -> pa.Array:
    """Bytes of every row's values; one int64 a row. A null weighs what its place does."""
    total = _repeated(0, batch.num_rows)
    for column in batch.columns:
        total = pc.add(total, _weights(column))
    return total


def heavy_rows(batch: pa.RecordBatch, most: int) -> list[int]:
    """Positions of the rows that weigh more than ``most``. A batch that is lighter as a whole has none."""
    if batch.nbytes <= most:
        return []
    return pc.indices_nonzero(pc.greater(row_weights(batch), most)).to_pylist()


def value_weight(value: Any) -> int:
    """Of a Python value; a number or a time weighs eight bytes."""
    if isinstance(value, str):
        return len(value.encode(errors="surrogatepass"))
    if isinstance(value, bytes | bytearray):
        return len(value)
    if isinstance(value, memoryview):
        return cast("memoryview[int]", value).nbytes
    if isinstance(value, Mapping):
        return sum(map(value_weight, cast("Mapping[Any, Any]", value).values()))
    return sum(map(value_weight, cast("Sequence[Any]", value))) if isinstance(value, Sequence) else 8


def _weights(array: pa.Array) -> pa.Array:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _weights(array.storage)
    if pa.types.is_dictionary(kind):
        return _weights(array.dictionary_decode())
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return _weights(array.cast(pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()))
    if pa.types.is_map(kind):
        return _weights(array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))))
    if pa.types.is_struct(kind):
        total = _repeated(0, len(array))
        for child in array.flatten():
            total = pc.add(total, _weights(child))
        return total
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _of_lists(array)
    if _has_length(kind):
        return pc.fill_null(pc.binary_length(array), 0).cast(pa.int64())
    return _repeated(0 if pa.types.is_null(kind) else max(1, kind.bit_width // 8), len(array))


def _of_lists(array: pa.Array) -> pa.Array:
    """The sum over each list's values: lists that are empty or null weigh nothing."""
    parents = pc.list_parent_indices(array)
    sums = pa.table({"row": parents, "weight": _weights(pc.list_flatten(array))}).group_by("row").aggregate(
        [("weight", "sum")]
    )  # fmt: skip
    rows = pa.array(range(len(array)), type=parents.type)
    found = pc.index_in(rows, value_set=sums.column("row").combine_chunks())
    return pc.fill_null(sums.column("weight_sum").combine_chunks().take(found), 0).cast(pa.int64())


def _has_length(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return text or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _repeated(value: int, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.int64()), count)
