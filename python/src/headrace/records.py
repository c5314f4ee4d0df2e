"""Normalised records while they are staged: a row each, with their structures as JSON text.

The knowledge-base flow stages what it emits like any other rows, and a sink for
tables can store the same rows. On the way out records are grouped into batches
that the control plane can store in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from headrace.protocol import NormalizedRecord, Provenance
from headrace.rowtypes import json_field
from headrace.staging import RecordReader, Row

BATCH_RECORDS = 500
BATCH_BYTES = 1024 * 1024

_TEXTS = {"entityType": "entity_type", "logicalId": "logical_id", "displayName": "display_name", "phase": "phase"}
_STRUCTURES = {"scope": "scope", "provenance": "provenance", "payload": "payload", "edges": "edges"}

SCHEMA = pa.schema([*(pa.field(name, pa.string()) for name in _TEXTS), *map(json_field, _STRUCTURES)])


def arrow_from_records(records: list[NormalizedRecord], endpoint_id: str) -> pa.RecordBatch:
    """One batch of rows. Records that do not say which endpoint they come from are given ``endpoint_id``."""
    attributed = [_attributed(record, endpoint_id) for record in records]
    columns: list[list[Any]] = [[getattr(record, name) for record in attributed] for name in _TEXTS.values()]
    for name in _STRUCTURES.values():
        columns.append([msgspec.json.encode(getattr(record, name)).decode() for record in attributed])
    arrays = [pa.array(values, type=pa.string()) for values in columns]
    return pa.record_batch(arrays, schema=SCHEMA)


def record_batches(reader: RecordReader) -> Iterator[list[NormalizedRecord]]:
    """Every staged record in order: at most 500 and, unless one alone is larger, 1 MiB a batch."""
    batch: list[NormalizedRecord] = []
    size = 0
    for record in _records(reader):
        weight = len(msgspec.msgpack.encode(record))
        if batch and (len(batch) == BATCH_RECORDS or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += weight
    if batch:
        yield batch


def of_unit(records: Iterable[NormalizedRecord], unit_id: str) -> Iterator[NormalizedRecord]:
    """Those that describe the unit: their payload's ``unitId`` is its id."""
    return (record for record in records if record.payload.get("unitId") == unit_id)


def _records(reader: RecordReader) -> Iterator[NormalizedRecord]:
    for rows in reader.iter_batches(BATCH_RECORDS):
        for row in rows:
            yield _record(row)


def _record(row: Row) -> NormalizedRecord:
    return msgspec.convert(dict(row), NormalizedRecord)


def _attributed(record: NormalizedRecord, endpoint_id: str) -> NormalizedRecord:
    said = record.provenance
    if said.endpoint_id:
        return record
    provenance = Provenance(endpoint_id=endpoint_id, vendor=said.vendor, source_event_id=said.source_event_id)
    return msgspec.structs.replace(record, provenance=provenance)
