"""A file carried all the way into a folder of Parquet: every value once, nothing twice, and then only what is new."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from endpoints.sinks.local_files_kit import visible
from endpoints.sources.compressing import READ
from endpoints.sources.local_files_reading import rows_of

from headrace.errors import ConfigInvalid
from headrace.ingestion import run_ingestion_unit
from headrace.protocol import Json

INCREMENTAL = {"mode": "incremental"}


@pytest.fixture(autouse=True)
def _staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_STAGING_DIR", str(tmp_path / "staging"))


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    path.mkdir()
    (path / "orders.csv").write_text('id,zip,price,note\n1,00501,1.10,"a\nb"\n2,,2.20,""\n')
    (path / "events.jsonl").write_text('{"id": 1, "at": "2024-01-02", "n": 1.5}\n{"id": 2, "tags": ["x"], "n": 2}\n')
    return path


Carry = Callable[..., tuple[Json, dict[str, Any]]]


@pytest.fixture(params=["in_memory", "local_disk"])
def carry(configured: Any, drop: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Carry:
    """Carries a unit and returns the checkpoint and the statistics."""
    configured.configure("drop", "file.local", {"base_path": str(drop), "column_types": '{"price": "decimal(8,2)"}'})
    configured.configure("lake", "file.local", {"base_path": str(tmp_path / "lake")})

    def run(unit_id: str, checkpoint: Json = None, **policy: Json) -> tuple[Json, dict[str, Any]]:
        result = run_ingestion_unit("drop", "lake", unit_id, checkpoint, {**INCREMENTAL, **policy}, request.param)
        assert result["errors"] == []
        return result["new_checkpoint"], result["stats"]

    return run


def landed(base: Path) -> list[list[dict[str, Any]]]:
    """The rows of every file that a reader of the sink finds, read without our source."""
    return [pq.read_table(path, use_threads=False).to_pylist() for path in visible(base)]


def test_a_csv_file_lands_exactly_and_then_only_its_new_rows(carry: Carry, drop: Path, tmp_path: Path) -> None:
    first, stats = carry("orders.csv")
    again, nothing = carry("orders.csv", first)
    with (drop / "orders.csv").open("a") as file:
        file.write("3,10115,3.30,c\n4,unfin")
    last, more = carry("orders.csv", again)

    rows = [
        {"id": "1", "zip": "00501", "price": Decimal("1.10"), "note": "a\nb"},
        {"id": "2", "zip": None, "price": Decimal("2.20"), "note": ""},
        {"id": "3", "zip": "10115", "price": Decimal("3.30"), "note": "c"},
    ]
    assert landed(tmp_path / "lake") == [rows[:2], rows[2:]]
    assert [each["applied_rows"] for each in (stats, nothing, more)] == [2, 0, 1]
    assert (first == again, last == again) == (True, False)
    assert stats["delivery"] == {
        "class": "B", "deletes": "not captured", "source": "what was appended to the file",
    }  # fmt: skip


def test_a_json_lines_file_lands_exactly_and_then_only_its_new_rows(carry: Carry, drop: Path, tmp_path: Path) -> None:
    first, stats = carry("events.jsonl")
    again, nothing = carry("events.jsonl", first)
    with (drop / "events.jsonl").open("a") as file:
        file.write('{"id": 3, "new": true}\n{"id": 4')
    _, more = carry("events.jsonl", again)

    assert landed(tmp_path / "lake") == [
        [{"id": 1, "at": "2024-01-02", "n": 1.5, "tags": None}, {"id": 2, "at": None, "n": 2.0, "tags": '["x"]'}],
        [{"id": 3, "at": None, "n": None, "tags": None, "new": True}],
    ]
    assert [each["applied_rows"] for each in (stats, nothing, more)] == [2, 0, 1]
    assert first == again


def test_what_one_run_wrote_another_reads_on(configured: Any, carry: Carry, drop: Path, tmp_path: Path) -> None:
    configured.configure("copy", "file.local", {"base_path": str(tmp_path / "copy")})
    first, _ = carry("orders.csv", targetSliceSize=1)
    result = run_ingestion_unit("lake", "copy", "orders.csv", None, INCREMENTAL, "local_disk")
    with (drop / "orders.csv").open("a") as file:
        file.write("3,,3.30,c\n")
    carry("orders.csv", first)
    later = run_ingestion_unit("lake", "copy", "orders.csv", result["new_checkpoint"], INCREMENTAL, "local_disk")

    assert (result["errors"], later["errors"]) == ([], [])
    assert [len(rows) for rows in landed(tmp_path / "copy")] == [1, 1, 1]
    assert rows_of(tmp_path / "copy", "orders.csv") == rows_of(tmp_path / "lake", "orders.csv")
    assert "committed slices" in later["stats"]["delivery"]["source"]


def test_a_full_run_replaces_what_the_one_before_left(carry: Carry, drop: Path, tmp_path: Path) -> None:
    carry("orders.csv", mode="full")
    (drop / "orders.csv").write_text("id,zip,price,note\n9,,9.90,z\n")
    end, stats = carry("orders.csv", mode="full", targetSliceSize=1)

    assert [[row["id"] for row in rows] for rows in landed(tmp_path / "lake")] == [["9"]]
    assert (end, stats["applied_rows"], stats["slices"]) == (None, 1, 1)


@pytest.mark.parametrize("name", ["empty.jsonl", "header.csv"])
def test_a_file_without_rows_is_a_success_of_none(carry: Carry, drop: Path, tmp_path: Path, name: str) -> None:
    (drop / "empty.jsonl").write_text("")
    (drop / "header.csv").write_text("id,name\n")

    for mode in ("incremental", "full"):
        end, stats = carry(name, mode=mode)
        assert (end, stats["applied_rows"]) == (None, 0)
        assert [row for rows in landed(tmp_path / "lake") for row in rows] == []


def test_a_bad_line_ends_the_run_after_the_slices_before_it_and_the_next_goes_on(
    configured: Any, drop: Path, tmp_path: Path
) -> None:
    configured.configure("drop", "file.local", {"base_path": str(drop)})
    configured.configure("lake", "file.local", {"base_path": str(tmp_path / "lake")})
    path = drop / "orders.csv"
    path.write_text("id,name\n1,a\n2,b\n3\n4,d\n")
    policy = {**INCREMENTAL, "targetSliceSize": 1}

    result = run_ingestion_unit("drop", "lake", "orders.csv", None, policy, "in_memory")
    path.write_text("id,name\n1,a\n2,b\n3,c\n4,d\n")
    later = run_ingestion_unit("drop", "lake", "orders.csv", result["new_checkpoint"], policy, "in_memory")

    (error,) = result["errors"]
    assert (error["tag"], error["details"]["line"]) == ("RowRejected", 4)
    assert (result["stats"]["applied_rows"], later["stats"]["applied_rows"], later["errors"]) == (2, 2, [])
    assert [row["id"] for rows in landed(tmp_path / "lake") for row in rows] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("ending", list(READ))
def test_of_a_damaged_compressed_file_nothing_lands_and_mended_it_lands_like_the_plain_one(
    configured: Any, drop: Path, tmp_path: Path, ending: str
) -> None:
    configured.configure("drop", "file.local", {"base_path": str(drop)})
    configured.configure("lake", "file.local", {"base_path": str(tmp_path / "lake")})
    ids = [f"{number:0100}" for number in range(60_000)]
    content = "".join(f"{line}\n" for line in ("id", *ids)).encode()
    path, whole = drop / f"0.csv{ending}", READ[ending](content)
    policy = {**INCREMENTAL, "targetSliceSize": 15_000}

    path.write_bytes(whole[:-7])
    torn = run_ingestion_unit("drop", "lake", f"*.csv{ending}", None, policy, "in_memory")
    before = landed(tmp_path / "lake")
    path.write_bytes(whole)
    later = run_ingestion_unit("drop", "lake", f"*.csv{ending}", torn["new_checkpoint"], policy, "in_memory")

    (error,) = torn["errors"]
    assert (error["tag"], error["details"]["path"], before) == ("RowRejected", str(path), [])
    assert (later["errors"], later["stats"]["slices"]) == ([], 4)
    assert [row["id"] for rows in landed(tmp_path / "lake") for row in rows] == ids


def test_the_knowledge_base_gets_the_dataset_and_no_row(configured: Any, drop: Path) -> None:
    configured.configure("drop", "file.local", {"base_path": str(drop)})
    (drop / "broken.parquet").write_text("no Parquet")

    result = run_ingestion_unit("drop", None, "orders.csv", None, {"mode": "full"}, "in_memory")

    assert (result["errors"], result["stats"]["applied_rows"]) == ([], 5)
    with pytest.raises(ConfigInvalid, match=r"cannot be read as a Parquet file"):
        run_ingestion_unit("drop", None, "broken.parquet", None, {"mode": "full"}, "in_memory")
