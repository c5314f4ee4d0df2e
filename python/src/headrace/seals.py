"""The hash that names the content of a staging session: equal rows in equal order, equal hash.

Each column is hashed by itself, as a stream, so no batch boundary shows: where
the nulls are, how long each value of variable length is, and the values that
are there, in Arrow's layout. The hash of the session is over the schema, the
number of rows and the digests of the columns. Buffers are hashed where they
lie; nothing is serialised.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import RowRejected


class RowsHash:
    """Feed it every batch in order; all must have the schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows = 0
        self._columns = [_column_hash(field) for field in schema]

    def update(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        for column, array in zip(self._columns, batch.columns, strict=True):
            column.update(array)

    def hexdigest(self) -> str:
        whole = hashlib.sha256(b"headrace rows 1\n")
        for field in self._schema:
            whole.update(f"{len(field.name.encode())} {field.name} {field.type}\n".encode())
        whole.update(struct.pack("<Q", self._rows))
        for column in self._columns:
            whole.update(column.digest())
        return whole.hexdigest()


def _column_hash(field: pa.Field) -> ColumnHash:
    try:
        return ColumnHash(field.type)
    except TypeError as error:
        raise RowRejected(
            f"Column {field.name!r} cannot be staged: {error}. Leave it out with the policy's "
            "columns, or have the source give it as another type.",
            role="staging",
            details={"column": field.name, "row": 0},
        ) from error


class ColumnHash:
    """One column, or one child of a nested one. Raises ``TypeError`` for a type nobody can stage."""

    def __init__(self, kind: pa.DataType) -> None:
        self._count = 0
        self._nulls = hashlib.sha256()
        self._lengths = hashlib.sha256()
        self._values = hashlib.sha256()
        self._children = [ColumnHash(child) for child in _children(kind)]

    def update(self, array: pa.Array) -> None:
        plain = _plain(array)  # first, because a dictionary may hold the null that an index points at
        if plain.null_count:
            positions = pc.add(pc.indices_nonzero(plain.is_null()), pa.scalar(self._count, pa.uint64()))
            self._nulls.update(_fixed_width(positions))
        self._count += len(plain)
        self._update_valid(plain.drop_null() if plain.null_count else plain)

    def digest(self) -> bytes:
        whole = hashlib.sha256(struct.pack("<Q", self._count))
        for part in (self._nulls, self._lengths, self._values, *self._children):
            whole.update(part.digest())
        return whole.digest()

    def _update_valid(self, array: pa.Array) -> None:
        kind = array.type
        if len(array) == 0 or pa.types.is_null(kind):
            return
        if pa.types.is_struct(kind):
            for child, values in zip(self._children, array.flatten(), strict=True):
                child.update(values)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            self._lengths.update(_fixed_width(pc.list_value_length(array)))
            self._children[0].update(array.flatten())
        elif _has_offsets(kind):
            self._lengths.update(_fixed_width(pc.binary_length(array)))
            self._values.update(_variable_width(array))
        else:
            self._values.update(_fixed_width(array.cast(pa.uint8()) if pa.types.is_boolean(kind) else array))


def _children(kind: pa.DataType) -> list[pa.DataType]:
    if isinstance(kind, pa.BaseExtensionType):
        return _children(kind.storage_type)
    kind = _without_views(kind)
    if pa.types.is_dictionary(kind):
        return _children(kind.value_type)
    if pa.types.is_map(kind):
        return [pa.struct([("key", kind.key_type), ("value", kind.item_type)])]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [kind.value_type]
    if pa.types.is_struct(kind):
        return [field.type for field in kind]
    if _has_offsets(kind) or pa.types.is_null(kind) or pa.types.is_boolean(kind) or _is_fixed_width(kind):
        return []
    raise TypeError(f"{kind} is no type that can be staged")


def _plain(array: pa.Array) -> pa.Array:
    """The same values in the layout that is hashed: no dictionaries, extensions or maps."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(array.storage)
    known = _without_views(kind)
    if not known.equals(kind):
        return _plain(array.cast(known))
    if pa.types.is_dictionary(kind):
        return _plain(array.dictionary_decode())
    if pa.types.is_map(kind):
        pair = pa.struct([pa.field("key", kind.key_type, nullable=False), pa.field("value", kind.item_type)])
        return array.cast(pa.list_(pair))
    return array


def _without_views(kind: pa.DataType) -> pa.DataType:
    """The type with plain text and bytes in place of views, which the library can neither filter nor take from."""
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _without_views(kind.value_type), kind.ordered)
    if pa.types.is_map(kind):
        return pa.map_(_without_views(kind.key_type), _without_views(kind.item_type), kind.keys_sorted)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_views(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _list_of(kind, kind.value_field.with_type(_without_views(kind.value_type)))
    return kind


def _list_of(kind: pa.DataType, field: pa.Field) -> pa.DataType:
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(field, kind.list_size)
    return pa.large_list(field) if pa.types.is_large_list(kind) else pa.list_(field)


def _has_offsets(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return text or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_fixed_width(kind: pa.DataType) -> bool:
    try:
        return not pa.types.is_nested(kind) and kind.bit_width % 8 == 0
    except ValueError:
        return False


def _fixed_width(array: pa.Array) -> Any:
    width = array.type.bit_width // 8
    values = array.buffers()[1]
    return memoryview(values)[array.offset * width : (array.offset + len(array)) * width] if values else b""


def _variable_width(array: pa.Array) -> Any:
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    code, size = ("<q", 8) if wide else ("<i", 4)
    _, offsets, data = array.buffers()
    if data is None:
        return b""
    (start,) = struct.unpack_from(code, offsets, array.offset * size)
    (end,) = struct.unpack_from(code, offsets, (array.offset + len(array)) * size)
    return memoryview(data)[start:end]
