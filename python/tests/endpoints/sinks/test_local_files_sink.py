"""The local-files sink: what lands, what a reader sees, what is adopted, fenced and refused."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import time
import uuid
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_files_kit import UNIT, described, ids, land, leftovers, record_of, rows, sink, target, visible, write

from headrace.commit import record_hash
from headrace.endpoints.systems.local_files_slot import path_segment
from headrace.errors import ConfigInvalid, SchemaChanged, SinkAmbiguous, SinkFenced
from headrace.testing.staging_suite import VALUES


def test_a_slice_lands_as_one_parquet_file_beside_its_commit_record(tmp_path: Path) -> None:
    (applied,) = land(tmp_path, target(), rows(1, 2, 3))

    slot = tmp_path / "public.orders" / "gen=1" / "slice=000000"
    assert applied.location == str(slot)
    assert sorted(os.listdir(slot)) == ["_commit.json", "part-0.parquet"]
    assert applied.rows == 3
    assert applied.bytes == sum(file.stat().st_size for file in slot.iterdir())
    assert pq.ParquetFile(slot / "part-0.parquet").metadata.row_group(0).column(0).compression == "SNAPPY"
    assert ids(tmp_path) == [1, 2, 3]


def test_the_commit_record_is_canonical_json_in_snake_case(tmp_path: Path) -> None:
    (applied,) = land(tmp_path, target(), rows(1))

    content = (Path(applied.location) / "_commit.json").read_bytes()
    fields = json.loads(content)
    assert fields == {
        "unit": UNIT, "generation": 1, "slice_seq": 0, "from_ckpt": None, "to_ckpt": 1, "rows": 1, "epoch": 1,
        "sha256": applied.record.sha256, "prev_hash": applied.record.prev_hash,
    }  # fmt: skip
    assert content == json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def test_nothing_is_left_in_the_temporary_directory(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1), rows(2))

    assert not (tmp_path / "_tmp").exists()


def test_high_water_is_the_highest_record_of_the_generation_and_its_hash(tmp_path: Path) -> None:
    applied = land(tmp_path, target(), *(rows(n) for n in range(12)))

    high = sink(tmp_path).high_water(target(), 1)

    assert high is not None
    assert high.record == applied[-1].record
    assert high.hash == record_hash(applied[-1].record)


def test_a_unit_never_written_has_no_high_water_and_no_directory(tmp_path: Path) -> None:
    assert sink(tmp_path / "lake").high_water(target(), 1) is None
    assert not (tmp_path / "lake").exists()


def test_a_run_without_slices_writes_no_slot(tmp_path: Path) -> None:
    land(tmp_path, target())

    assert visible(tmp_path) == []
    assert sink(tmp_path).high_water(target(), 1) is None


def test_a_slice_of_zero_rows_keeps_its_columns(tmp_path: Path) -> None:
    (applied,) = land(tmp_path, target(), rows())

    assert applied.rows == 0
    assert pq.read_table(visible(tmp_path)[0]).schema.equals(rows().schema)


def test_a_slice_of_which_nothing_was_staged_is_a_record_without_a_file(tmp_path: Path) -> None:
    into = sink(tmp_path)
    into.prepare(target(), described(rows()), {})

    applied = write(into, target(), 0, None)

    assert os.listdir(applied.location) == ["_commit.json"]


def test_the_same_slice_again_is_adopted_and_not_written(tmp_path: Path) -> None:
    (first,) = land(tmp_path, target(), rows(1, 2))
    into = sink(tmp_path)
    into.prepare(target(), described(rows()), {})

    again = write(into, target(), 0, rows(1, 2), epoch=2)

    assert again.adopted
    assert again.record == first.record
    assert ids(tmp_path) == [1, 2]


def test_a_slot_taken_by_the_predecessor_with_fewer_rows_is_adopted_as_it_is(tmp_path: Path) -> None:
    (first,) = land(tmp_path, target(), rows(1))
    into = sink(tmp_path)
    into.prepare(target(), described(rows()), {})

    again = write(into, target(), 0, rows(1, 2), epoch=2)

    assert (again.adopted, again.rows, again.record) == (True, 1, first.record)


def test_an_older_epoch_is_fenced_where_a_newer_one_has_written(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1), epoch=7)
    into = sink(tmp_path)

    with pytest.raises(SinkFenced):
        into.high_water(target(), 6)
    with pytest.raises(SinkFenced):
        write(into, target(), 0, rows(1), epoch=6)


def test_a_slot_of_another_history_is_not_adopted(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1))

    with pytest.raises(SinkFenced, match="does not follow"):
        write(sink(tmp_path), target(), 0, rows(2), prev_hash="0" * 64)


def test_replace_removes_older_generations_before_the_first_slot(tmp_path: Path) -> None:
    land(tmp_path, target(1, disposition="replace"), rows(1), rows(2))
    into = sink(tmp_path)
    new = target(2, disposition="replace")

    assert into.high_water(new, 2) is None
    assert ids(tmp_path) == [1, 2]
    into.prepare(new, described(rows()), {})

    assert ids(tmp_path) == []
    write(into, new, 0, rows(3), epoch=2)
    assert ids(tmp_path) == [3]
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_append_and_merge_keep_older_generations(tmp_path: Path, disposition: str) -> None:
    land(tmp_path, target(1, disposition=disposition), rows(1))  # type: ignore[arg-type]

    land(tmp_path, target(2, disposition=disposition), rows(2), epoch=2)  # type: ignore[arg-type]

    assert ids(tmp_path) == [1, 2]


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_writer_of_a_generation_that_was_left_is_fenced(tmp_path: Path, disposition: str) -> None:
    old, new = target(1, disposition=disposition), target(2, disposition=disposition)  # type: ignore[arg-type]
    zombie = sink(tmp_path)
    zombie.high_water(old, 1)
    zombie.prepare(old, described(rows()), {})
    write(zombie, old, 0, rows(1))
    land(tmp_path, new, rows(9), epoch=2)
    seen = ids(tmp_path)

    with pytest.raises(SinkFenced):
        write(zombie, old, 1, rows(2))
    with pytest.raises(SinkFenced):
        zombie.prepare(old, described(rows()), {})

    assert ids(tmp_path) == seen


def test_closing_an_older_generation_twice_takes_one_slot(tmp_path: Path) -> None:
    land(tmp_path, target(1), rows(1))

    for epoch in (2, 3, 4):
        sink(tmp_path).high_water(target(2), epoch)

    assert len(list((tmp_path / "public.orders" / "gen=1").iterdir())) == 2


def test_a_damaged_commit_record_ends_the_run_and_is_never_read_as_none(tmp_path: Path) -> None:
    (applied,) = land(tmp_path, target(), rows(1))
    (Path(applied.location) / "_commit.json").write_bytes(b'{"unit":')

    with pytest.raises(SinkAmbiguous, match="missing or damaged"):
        sink(tmp_path).high_water(target(), 2)


def test_two_units_cannot_share_a_directory(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1))

    with pytest.raises(ConfigInvalid, match="belongs to dev/shop/public"):
        land(tmp_path, target(unit="dev/other/public.orders/lake"), rows(2))

    assert ids(tmp_path) == [1]


def test_a_directory_with_files_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "public.orders").mkdir()
    (tmp_path / "public.orders" / "precious.parquet").write_bytes(b"x")

    with pytest.raises(ConfigInvalid, match="did not write"):
        land(tmp_path, target(disposition="replace"), rows(1))

    assert os.listdir(tmp_path / "public.orders") == ["precious.parquet"]


def test_a_unit_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    base = tmp_path / "lake"
    base.mkdir()
    (base / "public.orders").symlink_to(outside)

    with pytest.raises(ConfigInvalid, match="link"):
        land(base, target(), rows(1))

    assert os.listdir(outside) == []


def test_a_base_path_that_is_a_file_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigInvalid) as raised:
        land(tmp_path / "file", target(), rows(1))

    assert raised.value.details["field"] == "base_path"


def test_only_parquet_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="Parquet only") as raised:
        sink(tmp_path, format="csv")
    assert raised.value.details["field"] == "format"


def test_merge_needs_a_key_and_key_comparison_of_deletes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="primaryKeys"):
        sink(tmp_path).prepare(target(disposition="merge", key=()), described(rows()), {})
    with pytest.raises(ConfigInvalid, match="keyDiff"):
        sink(tmp_path).prepare(target(), described(rows()), {"deletes": "keyDiff"})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_values_come_back_exactly(tmp_path: Path, values: list[object]) -> None:
    from headrace.rows import arrow_from_rows

    batch = arrow_from_rows([{"value": value} for value in values], 0)
    table = pa.table(batch.columns, schema=batch.schema)

    land(tmp_path, target(), table)

    found = pq.read_table(visible(tmp_path)[0])
    assert found.schema.field("value").type == table.schema.field("value").type
    assert found["value"].to_pylist() == table["value"].to_pylist()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([float("nan"), -0.0, 5e-324], pa.float64()),
        pa.array([0, 2**64 - 1], pa.uint64()),
        pa.array([Decimal("-99999999999999999999999999999.999999999")], pa.decimal128(38, 9)),
        pa.array([datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)], pa.timestamp("us")),
        pa.array([1], pa.timestamp("ns", "UTC")),
        pa.array(["a", None, "a"]).dictionary_encode(),
        pa.array([b"0123456789abcdef"], pa.binary(16)),
        pa.array(["x" * 5_000_000], pa.large_string()),
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([None, None], pa.null()),
        pa.array([uuid.UUID(int=7).bytes], pa.uuid()),
    ],
    ids=lambda column: str(column.type),
)
def test_types_come_back_exactly(tmp_path: Path, column: pa.Array) -> None:
    land(tmp_path, target(), pa.table({"value": column}))

    found = pq.read_table(visible(tmp_path)[0])["value"]
    assert found.type == column.type
    assert str(found.combine_chunks()) == str(column)


def test_timestamps_in_seconds_are_widened_to_milliseconds(tmp_path: Path) -> None:
    land(tmp_path, target(), pa.table({"value": pa.array([-1], pa.timestamp("s"))}))

    found = pq.read_table(visible(tmp_path)[0])["value"]
    assert found.type == pa.timestamp("ms")
    assert found.to_pylist() == [datetime.datetime(1969, 12, 31, 23, 59, 59)]


def test_what_parquet_cannot_carry_is_refused_by_name(tmp_path: Path) -> None:
    table = pa.table({"id": [1], "span": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})

    with pytest.raises(SchemaChanged, match="'span'"):
        land(tmp_path, target(), table)
    with pytest.raises(SchemaChanged, match="'twice'"):
        land(tmp_path, target(), pa.table([[1], [2]], names=["twice", "twice"]))

    assert os.listdir(tmp_path) == []


def test_columns_keep_hostile_names(tmp_path: Path) -> None:
    names = ["a.b", 'quo"te', "sp ace", "gen", "slice", "😀", "e\u0301", "é", "", "../x", "a\nb", "SELECT"]
    table = pa.table([pa.array([n]) for n in range(len(names))], names=names)

    land(tmp_path, target(), table)

    assert pq.ParquetFile(visible(tmp_path)[0]).read().to_pylist() == table.to_pylist()


def test_a_new_column_is_added_and_a_column_that_changed_its_kind_is_refused(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1))

    land(tmp_path, target(), rows(2).append_column("extra", [["x"]]))
    with pytest.raises(SchemaChanged, match="'name' was string and is now int64"):
        land(tmp_path, target(), pa.table({"id": [3], "name": [3]}))

    assert ids(tmp_path) == [1, 2]


def test_a_frozen_schema_takes_no_new_column(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1))
    wider = described(rows(2).append_column("extra", [["x"]]))

    with pytest.raises(SchemaChanged, match="'extra' is new"):
        sink(tmp_path).prepare(target(), wider, {"schemaContract": "freeze"})


def test_a_column_that_became_narrower_keeps_its_earlier_type(tmp_path: Path) -> None:
    land(tmp_path, target(), pa.table({"id": pa.array([2**40], pa.int64())}))

    land(tmp_path, target(), pa.table({"id": pa.array([7], pa.int32())}), pa.table({"id": pa.array([None], pa.null())}))

    assert {str(pq.read_schema(path).field("id").type) for path in visible(tmp_path)} == {"int64"}
    assert ids(tmp_path) == [2**40, 7, None]


def test_leftovers_of_dead_attempts_go_after_a_day_and_not_before(tmp_path: Path) -> None:
    for name, hours in (("old", 25), ("young", 23)):
        attempt = tmp_path / "_tmp" / "run" / name
        attempt.mkdir(parents=True)
        (attempt / "part-0.parquet").write_bytes(b"x")
        then = time.time() - hours * 3600
        for path in (attempt / "part-0.parquet", attempt):
            os.utime(path, (then, then))

    sink(tmp_path).high_water(target(), 1)

    assert os.listdir(tmp_path / "_tmp" / "run") == ["young"]


@pytest.mark.parametrize(
    ("unit_id", "name"),
    [
        ("public.orders", "public.orders"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        (".", "%2E"),
        ("..", "%2E."),
        ("_tmp", "%5Ftmp"),
        ("a/b", "a%2Fb"),
        ("gen=1", "gen%3D1"),
        ("nul\0", "nul%00"),
        ("%2E", "%252E"),
        ("~", "%7E"),
    ],
)
def test_a_unit_id_is_one_readable_and_harmless_file_name(tmp_path: Path, unit_id: str, name: str) -> None:
    land(tmp_path, target(unit_id=unit_id), rows(1))

    assert os.listdir(tmp_path) == [name]


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_unit_ids_have_different_file_names(one: str, other: str) -> None:
    names = path_segment(one), path_segment(other)

    assert (names[0] == names[1]) == (one == other)
    assert all(re.fullmatch(r"[A-Za-z0-9%-][A-Za-z0-9%._-]{0,254}|.{1,255}~[0-9a-f]{64}", name) for name in names)


def test_unit_ids_longer_than_a_file_name_stay_apart(tmp_path: Path) -> None:
    long = "ж" * 300

    land(tmp_path, target(unit_id=f"{long}1", unit="one"), rows(1))
    land(tmp_path, target(unit_id=f"{long}2", unit="two"), rows(2))

    assert len(os.listdir(tmp_path)) == 2
    assert sorted(ids(tmp_path)) == [1, 2]


def test_rows_travel_in_row_groups_of_bounded_size(tmp_path: Path) -> None:
    wide = pa.table({"id": range(60), "text": ["x" * 1_000_000 + str(n) for n in range(60)]})
    table = pa.concat_tables(wide.slice(n, 1) for n in range(60))

    land(tmp_path, target(), table)

    assert pq.ParquetFile(visible(tmp_path)[0]).metadata.num_row_groups == 2
    assert ids(tmp_path) == list(range(60))


def test_every_reader_agrees_on_the_record_of_each_slot(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1, 2), rows(3))

    for path in visible(tmp_path):
        assert record_of(path.parent)["rows"] == pq.read_metadata(path).num_rows
        assert re.fullmatch("[0-9a-f]{64}", record_of(path.parent)["sha256"])
    assert hashlib.sha256(b"closed").hexdigest() not in {record_of(path.parent)["sha256"] for path in visible(tmp_path)}


def test_merge_leaves_the_query_that_reads_the_latest_version_of_each_row(tmp_path: Path) -> None:
    base = tmp_path / "it's a [lake]"

    land(base, target(disposition="merge", key=("id", 'na"me')), rows(1))

    assert (base / "public.orders" / "_latest.sql").read_text() == (
        "-- The newest version of every row. A slice holds rows that were new or changed; a later one wins.\n"
        "SELECT * EXCLUDE (_hr_file, file_row_number)\n"
        f"FROM read_parquet('{tmp_path}/it''s a [[]lake]/public.orders/gen=*/slice=*/*.parquet',\n"
        "  union_by_name = true, hive_partitioning = false, filename = '_hr_file', file_row_number = true)\n"
        'QUALIFY row_number() OVER (PARTITION BY "id", "na""me" ORDER BY\n'
        "  regexp_extract(_hr_file, '/gen=(\\d+)/slice=\\d+/[^/]*$', 1)::BIGINT DESC,\n"
        "  regexp_extract(_hr_file, '/slice=(\\d+)/[^/]*$', 1)::BIGINT DESC, file_row_number DESC) = 1;\n"
    )


def test_merge_says_how_to_read_what_it_leaves(tmp_path: Path) -> None:
    assert "read the latest by key" in sink(tmp_path).capabilities().reading["merge"]
