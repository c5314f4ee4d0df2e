"""The local-files sink: what lands, whose directory it is, what is left and what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_files_kit import UNIT, described, ids, land, rows, sink, target, visible, write

from headrace.endpoints.systems import local_files_slot
from headrace.endpoints.systems.files_layout import path_segment
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid


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


def test_a_unit_never_written_has_no_high_water_and_no_directory(tmp_path: Path) -> None:
    assert sink(tmp_path / "lake").high_water(target(), 1) is None
    assert not (tmp_path / "lake").exists()


def test_a_slice_of_zero_rows_keeps_its_columns(tmp_path: Path) -> None:
    (applied,) = land(tmp_path, target(), rows())

    assert applied.rows == 0
    assert pq.read_table(visible(tmp_path)[0]).schema.equals(rows().schema)


def test_a_slice_of_which_nothing_was_staged_is_a_record_without_a_file(tmp_path: Path) -> None:
    into = sink(tmp_path)
    into.prepare(target(), described(rows()), {})

    applied = write(into, target(), 0, None)

    assert os.listdir(applied.location) == ["_commit.json"]


def test_a_damaged_commit_record_ends_the_run_and_is_never_read_as_none(tmp_path: Path) -> None:
    (applied,) = land(tmp_path, target(), rows(1))
    (Path(applied.location) / "_commit.json").write_bytes(b'{"unit":')

    with pytest.raises(CheckpointAheadOfSink, match="missing or damaged"):
        sink(tmp_path).high_water(target(), 2)


@pytest.mark.parametrize("content", [b"", b"junk", b"PAR1" + bytes(64) + b"PAR1", b"cut"])
@pytest.mark.parametrize("generation", [1, 2])
def test_a_damaged_file_of_the_newest_slice_ends_the_run_by_its_name(
    tmp_path: Path, content: bytes, generation: int
) -> None:
    """Whether the generation goes on or another one is added to it."""
    *_, newest = land(tmp_path, target(), rows(1), rows(2))
    part = Path(newest.location) / "part-0.parquet"
    part.write_bytes(content if content != b"cut" else part.read_bytes()[:-9])

    with pytest.raises(CheckpointAheadOfSink, match=rf"{part} is damaged.*Restore it.*move {tmp_path}.* reset") as lost:
        land(tmp_path, target(generation), rows(3), epoch=generation)

    assert lost.value.details == {"path": str(part)}


def test_a_slice_that_is_gone_from_the_middle_ends_the_run_before_a_row_is_read(tmp_path: Path) -> None:
    first, second, _ = land(tmp_path, target(), rows(1), rows(2), rows(3))
    for gone in (first, second):
        slot = Path(gone.location)
        slot.rename(tmp_path / "kept")

        with pytest.raises(CheckpointAheadOfSink, match=rf"{slot} is gone.*Restore it.*move {tmp_path}.* reset"):
            sink(tmp_path).high_water(target(), 1)

        (tmp_path / "kept").rename(slot)
    assert sink(tmp_path).high_water(target(), 1) is not None


def test_a_slice_that_is_removed_before_the_end_of_its_run_ends_it(tmp_path: Path) -> None:
    into = sink(tmp_path)
    into.high_water(target(), 1)
    into.prepare(target(), described(rows()), {})
    slots = [Path(write(into, target(), seq, rows(seq)).location) for seq in range(2)]
    shutil.rmtree(slots[1])

    with pytest.raises(CheckpointAheadOfSink, match=rf"{slots[1]} was written by this run, and is gone"):
        into.complete(target(), {})


def test_a_slice_without_a_file_is_no_gap(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1), rows(2))
    into = sink(tmp_path)
    into.prepare(target(), described(rows()), {})
    write(into, target(), 2, None)
    write(into, target(), 3, rows(4))

    high = sink(tmp_path).high_water(target(), 1)

    assert high is not None and high.record.slice_seq == 3


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


def test_a_key_that_is_no_column_is_refused_before_a_row_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"no column nope, which the policy's primaryKeys names") as raised:
        land(tmp_path, target(disposition="merge", key=("id", "nope")), rows(1))

    assert raised.value.details["field"] == "primaryKeys"
    assert visible(tmp_path) == []


def test_merge_needs_a_key_and_key_comparison_of_deletes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="primaryKeys"):
        sink(tmp_path).prepare(target(disposition="merge", key=()), described(rows()), {})
    with pytest.raises(ConfigInvalid, match="keyDiff"):
        sink(tmp_path).prepare(target(), described(rows()), {"deletes": "keyDiff"})
    assert os.listdir(tmp_path) == []


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


def test_merge_leaves_the_query_that_reads_the_latest_version_of_each_row(tmp_path: Path) -> None:
    base = tmp_path / "it's a [lake]"

    land(base, target(disposition="merge", key=("id", 'na"me')), rows(1).rename_columns(["id", 'na"me']))

    assert (base / "public.orders" / "_latest.sql").read_text() == (
        "-- The newest version of every row. A slice holds rows that were new or changed; a later one wins,\n"
        "-- also one that says that its row was deleted.\n"
        "SELECT * EXCLUDE (_hr_file, file_row_number, _headrace_op)\n"
        f"FROM (SELECT * FROM read_parquet('{tmp_path}/it''s a [[]lake]/public.orders/gen=*/slice=*/*.parquet',\n"
        "  union_by_name = true, hive_partitioning = false, filename = '_hr_file', file_row_number = true)\n"
        "  UNION ALL BY NAME SELECT 0::SMALLINT AS _headrace_op WHERE false)\n"
        'QUALIFY row_number() OVER (PARTITION BY "id", "na""me" ORDER BY\n'
        "  regexp_extract(_hr_file, '/gen=(\\d+)/slice=\\d+/[^/]*$', 1)::BIGINT DESC,\n"
        "  regexp_extract(_hr_file, '/slice=(\\d+)/[^/]*$', 1)::BIGINT DESC, file_row_number DESC) = 1\n"
        "  AND coalesce(_headrace_op, 0) = 0;\n"
    )


def test_merge_says_how_to_read_what_it_leaves(tmp_path: Path) -> None:
    assert "read the latest by key" in sink(tmp_path).capabilities().reading["merge"]


def test_a_file_system_on_which_a_name_can_be_taken_twice_makes_it_class_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sink(tmp_path / "strict").capabilities().delivery == "B"

    monkeypatch.setattr(local_files_slot, "take_slot", lambda prepared, slot: prepared.replace(slot))  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setattr(local_files_slot, "write_durably", lambda path, content: None)  # pyright: ignore[reportUnknownLambdaType]

    assert sink(tmp_path / "lenient").capabilities().delivery == "C"


def test_the_columns_that_are_there_are_known_before_a_slice_is_written(tmp_path: Path) -> None:
    into = sink(tmp_path)
    into.high_water(target(), 1)
    incoming = pa.schema([("id", pa.int32()), ("name", pa.large_string()), ("added", pa.bool_())])
    assert into.schema_there(target(), incoming) is None
    into.prepare(target(), described(rows()), {})
    write(into, target(), 0, rows(1))

    assert into.schema_there(target(), incoming) == pa.schema([("id", pa.int32()), ("name", pa.string())])
