"""What a data file says of its columns, so that readers know which files they need not open.

A bound that is wrong hides rows. PyIceberg goes by the row groups that have
bounds and overlooks those that have none, as long texts have none. It fails at
days and moments that Python's calendar does not know, and at texts that it cuts
where no text comes after. That is seen to here; the rest is its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    MetricsMode,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.schema import Schema
from pyiceberg.types import DateType, TimestampType, TimestamptzType, TimeType

_COUNTED = MetricsMode(MetricModeTypes.COUNTS)
_UNBOUNDED = (MetricModeTypes.NONE, MetricModeTypes.COUNTS)
_CALENDAR = (DateType, TimestampType, TimestamptzType, TimeType)


def statistics_of(metadata: Any, columns: Schema, properties: Mapping[str, str]) -> dict[str, Any]:
    """Of a Parquet file with just these columns, as a ``DataFile`` takes them."""
    ids = parquet_path_to_id_mapping(columns)
    plan = compute_statistics_plan(columns, dict(properties))
    wanted = {each: said.iceberg_type for each, said in plan.items() if said.mode.type not in _UNBOUNDED}
    unbounded = {ids[path] for path, statistics in _chunks(metadata) if not _is_bounded(statistics)}
    calendar = {each for each, kind in wanted.items() if isinstance(kind, _CALENDAR)}
    counted = {each: replace(plan[each], mode=_COUNTED) for each in wanted if each in unbounded | calendar}
    found = data_file_statistics_from_parquet_metadata(
        parquet_metadata=metadata, stats_columns={**plan, **counted}, parquet_column_mapping=ids
    )
    for column in [each for each, bounds in found.column_aggregates.items() if not _can_be_said(bounds)]:
        del found.column_aggregates[column]
    said = found.to_serialized_dict()
    for column, statistics in ((ids[path], statistics) for path, statistics in _chunks(metadata)):
        if column in calendar - unbounded and statistics.has_min_max:
            layout = "<i" if isinstance(wanted[column], DateType) else "<q"
            _widen(said["lower_bounds"], column, statistics.min_raw, layout, min)
            _widen(said["upper_bounds"], column, statistics.max_raw, layout, max)
    return said


def _chunks(metadata: Any) -> Iterator[tuple[str, Any]]:
    """Each column of each row group: its path, and its statistics or None."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            yield column.path_in_schema, column.statistics if column.is_stats_set else None


def _is_bounded(statistics: Any) -> bool:
    """Whether every value is between what is said, if there is a value."""
    if statistics is None:
        return False
    return statistics.has_min_max or (statistics.has_null_count and statistics.num_values == 0)


def _can_be_said(bounds: Any) -> bool:
    """PyIceberg cuts a long text and takes the next character for its last, and after U+D7FF there is none."""
    try:
        bounds.max_as_bytes()
    except UnicodeEncodeError:
        return False
    return True


def _widen(bounds: dict[int, bytes], column: int, raw: int, layout: str, chosen: Any) -> None:
    before = bounds.get(column)
    now = raw if before is None else chosen(raw, *struct.unpack(layout, before))
    bounds[column] = struct.pack(layout, now)
