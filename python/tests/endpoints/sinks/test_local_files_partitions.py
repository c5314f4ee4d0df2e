"""Partitions of a directory of Parquet: what lies where, what readers make of it, and what is refused."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from endpoints.sources.local_files_reading import carried, source
from local_files_kit import described, land, land_in, leftovers, record_of, sink, slice_of, target, write

from headrace.endpoint import Target
from headrace.endpoints.sinks import local_files_partitions
from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.endpoints.systems import files_encoding
from headrace.errors import ConfigInvalid, RowRejected
from headrace.footers import footer
from headrace.staging import NativeBlock, Row
from headrace.testing.judging_sink_suite import JudgingSinkSuite
from headrace.testing.sink_suite import SinkEndpointSuite

NULL = "__HIVE_DEFAULT_PARTITION__"
RESERVED = ["EU", "007", "a/b=c d%é+😀", "", "NULL", "null", "2024-01-01", "..", None]


def partitioned(base: Path, *, by: str) -> LocalFilesSink:
    return sink(base, partition_by=by)


def orders(countries: Sequence[str | None], kind: pa.DataType | None = None) -> pa.Table:
    return pa.table(
        {"id": pa.array(range(len(countries)), pa.int64()), "country": pa.array(countries, kind or pa.string())}
    )


def files_in(applied: Any) -> list[str]:
    slot = Path(applied.location)
    return sorted(str(path.relative_to(slot)) for path in slot.rglob("*.parquet"))


class TestPartitionedLocalFilesSink(SinkEndpointSuite, JudgingSinkSuite):
    dispositions = ("replace", "append")
    delivery = "B"

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.base = tmp_path / "lake"

    def sink(self) -> LocalFilesSink:
        return partitioned(self.base, by="name,flag")

    def stored(self, target: Target) -> Sequence[Row]:
        found = sorted((self.base / target.unit_id).glob("gen=*/slice=*/*/*/*.parquet"))
        return [each for file in found for each in pq.read_table(file, partitioning=None).to_pylist()]


# ---- what lies where


def test_rows_lie_in_the_folder_of_their_values_and_the_record_names_the_files(tmp_path: Path) -> None:
    table = orders(["NZ", "DE", None, "NZ"]).append_column("vip", pa.array([True, False, True, True]))

    (applied,) = land_in(partitioned(tmp_path, by="country, vip"), target(), table)

    assert files_in(applied) == [
        "country=DE/vip=false/part-0.parquet", "country=NZ/vip=true/part-0.parquet",
        f"country={NULL}/vip=true/part-0.parquet",
    ]  # fmt: skip
    slot = Path(applied.location)
    files = record_of(slot)["files"]
    assert [(file["name"], file["rows"]) for file in files] == list(zip(files_in(applied), (1, 2, 1), strict=True))
    assert [file["bytes"] for file in files] == [(slot / file["name"]).stat().st_size for file in files]
    assert applied.bytes == sum(file["bytes"] for file in files) + (slot / "_commit.json").stat().st_size
    assert pq.read_table(slot / files[1]["name"], partitioning=None).to_pylist() == [
        {"id": 0, "country": "NZ", "vip": True}, {"id": 3, "country": "NZ", "vip": True},
    ]  # fmt: skip


def test_every_file_says_in_its_footer_which_slice_it_is(tmp_path: Path) -> None:
    (applied,) = land_in(partitioned(tmp_path, by="country"), target(), orders(["NZ", "DE"]))

    where = target()
    said = footer(unit=where.unit, run_id=where.run_id, generation=1, slice_seq=0)
    for name in files_in(applied):
        metadata = pq.read_metadata(Path(applied.location) / name).metadata
        assert metadata[b"headrace"].decode() == said["headrace"]


def test_a_slice_without_rows_has_a_file_of_its_columns_as_deep_as_the_others(tmp_path: Path) -> None:
    first, second = land_in(partitioned(tmp_path, by="country"), target(), orders(["NZ"]), orders([]))

    assert (files_in(first), files_in(second)) == (
        ["country=NZ/part-0.parquet"], [f"country={NULL}/part-0.parquet"],
    )  # fmt: skip
    files = f"{tmp_path}/*/gen=*/slice=*/**/*.parquet"
    assert duckdb.sql(f"select id, country from read_parquet('{files}', hive_partitioning = true)").fetchall() == [
        (0, "NZ")
    ]


def test_a_unit_that_never_had_a_row_has_its_columns(tmp_path: Path) -> None:
    into = partitioned(tmp_path, by="country")
    into.high_water(target(), 1)
    into.prepare(target(), described(orders([])), {})

    into.complete(target(), {})

    (file,) = tmp_path.rglob("*.parquet")
    assert file.parent.name == f"country={NULL}"
    assert pq.read_schema(file).names == ["id", "country"]


# ---- what readers make of it


@pytest.fixture(params=["text", "integers", "days", "truths"])
def values(request: Any) -> tuple[pa.DataType, list[Any], str]:
    days = [datetime.date(1, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31), None]
    return {
        "text": (pa.string(), RESERVED, "VARCHAR"),
        "integers": (pa.int64(), [-(2**63), 0, 2**63 - 1, None], "BIGINT"),
        "days": (pa.date32(), days, "DATE"),
        "truths": (pa.bool_(), [True, False, None], "BOOLEAN"),
    }[request.param]


def test_duckdb_pyarrow_and_polars_read_every_value_from_its_folder(
    tmp_path: Path, values: tuple[pa.DataType, list[Any], str]
) -> None:
    kind, expected, sql = values
    table = orders(expected, kind)

    land_in(partitioned(tmp_path, by="country"), target(), table.slice(0, 2), table.slice(2))

    unit = tmp_path / "public.orders"
    found = list(by_duckdb(unit, sql)), list(by_pyarrow(unit, kind)), list(by_polars(unit))
    assert found == (expected, expected, expected)
    for value in expected:
        assert counted_by_pyarrow(unit, kind, value) == expected.count(value)


def by_duckdb(unit: Path, sql: str) -> Iterator[Any]:
    rows = duckdb.sql(
        f"select country, typeof(country) from read_parquet('{unit}/gen=*/slice=*/**/*.parquet', "
        f"hive_partitioning = true, hive_types = {{country: {sql}}}) order by id"
    )
    for value, found in rows.fetchall():
        assert found == sql
        yield value


def in_pyarrow(unit: Path, kind: pa.DataType) -> ds.Dataset:
    levels = pa.schema([("gen", pa.int64()), ("slice", pa.int64()), ("country", kind)])
    return ds.dataset(unit, format="parquet", partitioning=ds.partitioning(levels, flavor="hive"))


def by_pyarrow(unit: Path, kind: pa.DataType) -> Iterator[Any]:
    found = in_pyarrow(unit, kind).to_table()
    assert found.schema.field("country").type == kind
    yield from found.sort_by("id")["country"].to_pylist()


def counted_by_pyarrow(unit: Path, kind: pa.DataType, value: Any) -> int:
    """Of what lies in the folders that the value is in, which is all that is looked at."""
    wanted = ds.field("country").is_null() if value is None else ds.field("country") == pa.scalar(value, kind)
    files = [fragment.path for fragment in in_pyarrow(unit, kind).get_fragments(wanted)]
    return sum(pq.read_metadata(path).num_rows for path in files)


def by_polars(unit: Path) -> Iterator[Any]:
    yield from pl.scan_parquet(unit / "**/*.parquet", hive_partitioning=True).sort("id").collect()["country"]


def test_it_is_read_again_as_a_source_slice_by_slice(tmp_path: Path) -> None:
    land_in(partitioned(tmp_path, by="country"), target(), orders(["NZ", "DE"]), orders([None]))
    rows, checkpoint = carried(source(tmp_path), "public.orders", None, {"mode": "incremental"})
    land_in(partitioned(tmp_path, by="country"), target(), orders(["FR", "FR"]))

    later, _ = carried(source(tmp_path), "public.orders", checkpoint, {"mode": "incremental"})

    assert sorted((row["id"], row["country"]) for row in rows if row["country"]) == [(0, "NZ"), (1, "DE")]
    assert len(rows) == 3
    assert later == [{"id": 0, "country": "FR"}, {"id": 1, "country": "FR"}]


# ---- many partitions


def test_a_partition_whose_file_was_closed_goes_on_in_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_files_partitions, "MOST_OPEN", 2)
    monkeypatch.setattr(files_encoding, "ROW_GROUP_BYTES", 1)
    staged = Staged([orders([country]).to_batches()[0] for country in ("A", "B", "A", "C", "B", "A")])

    files = local_files_partitions.write_partitions(tmp_path, staged, staged.schema, "snappy", ("country",))

    assert [(file.name, file.rows) for file in files] == [
        ("country=A/part-0.parquet", 2), ("country=A/part-1.parquet", 1), ("country=B/part-0.parquet", 1),
        ("country=B/part-1.parquet", 1), ("country=C/part-0.parquet", 1),
    ]  # fmt: skip


class Staged:
    """A slice that travels in just these batches."""

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._batches = batches
        self.schema = batches[0].schema

    def iter_arrow(self, max_bytes: int = 1) -> Iterator[pa.RecordBatch]:
        yield from self._batches

    def iter_batches(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        for batch in self._batches:
            yield batch.to_pylist()

    def iter_native(self) -> Iterator[NativeBlock]:
        yield from ()

    def native_file(self) -> None:
        return None


def test_too_many_partitions_are_refused_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_files_partitions, "MOST_PARTITIONS", 3)
    land_in(partitioned(tmp_path, by="country"), target(), orders(["A", "B", "C"]))

    with pytest.raises(ConfigInvalid, match="more than 3 partitions by country") as refusal:
        land_in(partitioned(tmp_path, by="country"), target(), orders(["A", "B", "C", "D"]))

    assert refusal.value.details["field"] == "partition_by"
    assert os.listdir(tmp_path / "public.orders" / "gen=1") == ["slice=000000"]
    assert leftovers(tmp_path) == []


def test_partitions_by_many_columns_of_many_values_are_told_apart(tmp_path: Path) -> None:
    """As many values a column as there are rows: what could be combined is more than 64 bits count."""
    names = [f"c{number}" for number in range(11)]
    values = pa.array([f"v{number}" for number in range(100)])

    land_in(partitioned(tmp_path, by=",".join(names)), target(), pa.table({name: values for name in names}))

    found = [(file, pq.read_table(file, partitioning=None).to_pylist()) for file in tmp_path.rglob("*.parquet")]
    assert len(found) == 100
    for file, read in found:
        assert [f"{name}={value}" for name, value in read[0].items()] == list(file.parts[-12:-1])
        assert len(read) == 1


# ---- what is refused


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("country,", "names ''"), ("_country", "Rename"), ("a b", "Rename"), ("Slice", "Rename"),
        ("id,ID", "twice"), ("contry", "Did you mean country"), ("price", "which is double"),
    ],
)  # fmt: skip
def test_columns_that_make_no_folders_are_refused_before_a_row_is_written(tmp_path: Path, by: str, why: str) -> None:
    table = orders(["NZ"]).append_column("price", pa.array([0.5]))

    with pytest.raises(ConfigInvalid, match=why) as refusal:
        land_in(partitioned(tmp_path, by=by), target(), table)

    assert refusal.value.details["field"] == "partition_by"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [NULL, "x" * 300, "é" * 50])
def test_a_value_without_a_folder_is_refused_by_its_row(tmp_path: Path, value: str) -> None:
    into = partitioned(tmp_path, by="country")
    into.high_water(target(), 1)
    table = orders(["NZ", "DE", value])
    into.prepare(target(), described(table), {})

    with pytest.raises(RowRejected) as refusal:
        write(into, target(), 0, table)

    assert (refusal.value.details["column"], refusal.value.details["row"]) == ("country", 2)
    assert os.listdir(tmp_path / "public.orders" / "gen=1") == []


def test_rows_without_a_folder_are_those_that_a_quarantine_sets_aside(tmp_path: Path) -> None:
    into = partitioned(tmp_path, by="country")
    into.high_water(target(), 1)
    table = orders(["NZ", NULL, "DE", "x" * 300])
    into.prepare(target(), described(table), {})

    found = into.refused_rows(target(), slice_of(0), Staged(table.to_batches()), 10)

    assert [(row.position, row.code, row.column) for row in found] == [
        (1, "UNSTORABLE", "country"), (3, "UNSTORABLE", "country"),
    ]  # fmt: skip


def test_what_is_there_is_never_partitioned_otherwise(tmp_path: Path) -> None:
    land_in(partitioned(tmp_path, by="country"), target(), orders(["NZ"]))

    for other in ("id", "", "id,country"):
        with pytest.raises(ConfigInvalid, match=r"are partitioned by country, .*move .* away and reset"):
            land_in(partitioned(tmp_path, by=other), target(), orders(["NZ"]))
    land_in(partitioned(tmp_path, by="id"), target(2, disposition="replace"), orders(["NZ"]), epoch=2)

    assert [path.parent.name for path in (tmp_path / "public.orders").rglob("*.parquet")] == ["id=0"]


def test_a_directory_without_partitions_gets_none_by_the_way(tmp_path: Path) -> None:
    land(tmp_path, target(), orders(["NZ"]))

    with pytest.raises(ConfigInvalid, match="are partitioned by nothing, and partition_by says country"):
        land_in(partitioned(tmp_path, by="country"), target(), orders(["NZ"]))


def test_no_file_is_taken_over_whole_where_rows_are_parted(tmp_path: Path) -> None:
    assert sink(tmp_path).capabilities().native_formats == ("parquet",)
    assert partitioned(tmp_path, by="country").capabilities().native_formats == ()
