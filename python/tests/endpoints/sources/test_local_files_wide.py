"""Rows of Parquet that take far more memory than the file has bytes: few of them are decoded at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.endpoints.sources.files_at_once import MOST_BYTES
from headrace.endpoints.sources.files_columnar import ColumnarPart, ParquetLibrary
from headrace.endpoints.sources.files_parts import Want
from headrace.endpoints.sources.local_files_below import open_file

WIDE = "x" * 100_000


class Weighed(ParquetLibrary):
    """Notes what is decoded at once: rows and bytes."""

    decoded: list[tuple[int, int]]

    def batches(self, first_group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        return self._noted(super().batches(first_group, columns, rows))

    def sample(self, rows: int) -> pa.RecordBatch | None:
        first = super().sample(rows)
        return first if first is None else next(self._noted(iter([first])))

    def _noted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.decoded.append((batch.num_rows, batch.nbytes))
            yield batch


def decoded(path: Path) -> list[tuple[int, int]]:
    """How much at a time, on the way through a file, whose rows all arrive."""
    seen: list[tuple[int, int]] = []
    library = type("Noted", (Weighed,), {"decoded": seen})
    part = ColumnarPart(open_file(path, ()), library)
    want, at, rows = Want(rows=1_000_000, size=MOST_BYTES, is_growing=False), part.begin(is_growing=False), 0
    while (cut := part.cut(at, want)) is not None:
        at, rows = cut.end, rows + sum(batch.num_rows for batch in part.read(cut, None, 1 << 20))
    assert rows == pq.read_metadata(path).num_rows
    part.close()
    return seen


def test_texts_that_a_dictionary_makes_small_on_the_disk_are_decoded_a_few_at_a_time(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [WIDE] * 1000}), tmp_path / "f.parquet")

    assert (tmp_path / "f.parquet").stat().st_size < 100_000
    assert max(size for _, size in decoded(tmp_path / "f.parquet")) <= MOST_BYTES


def test_a_group_that_says_to_be_wide_is_decoded_so_behind_narrow_ones(tmp_path: Path) -> None:
    table = pa.table({"a": ["x"] * 1000 + [WIDE] * 1000})
    pq.write_table(table, tmp_path / "f.parquet", row_group_size=1000, use_dictionary=False)

    assert max(size for _, size in decoded(tmp_path / "f.parquet")) <= MOST_BYTES


def test_narrow_rows_are_decoded_by_thousands_across_groups(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(20_000)}), tmp_path / "f.parquet", row_group_size=5000)

    assert max(rows for rows, _ in decoded(tmp_path / "f.parquet")) >= 5000
