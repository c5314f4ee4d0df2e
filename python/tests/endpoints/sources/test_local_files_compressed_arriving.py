"""Compressed files that arrive are read once each, and a log that is compressed when it rotates is not read twice."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from endpoints.sources.compressing import READ
from endpoints.sources.local_files_reading import FULL, INCREMENTAL, carried, new_since, source

from headrace.endpoints.sources import files_decompressed
from headrace.errors import ConfigInvalid, RowRejected, SourceReplaced
from headrace.protocol import Json

every_ending = pytest.mark.parametrize("ending", list(READ))


def lines(*numbers: int) -> bytes:
    return b"".join(b'{"n": %d}\n' % number for number in numbers)


def read_on(folder: Path, pattern: str, checkpoint: Json, **policy: Json) -> tuple[list[int], Json]:
    rows, after = carried(source(folder, format="jsonl"), pattern, checkpoint, {**INCREMENTAL, **policy})
    return [row["n"] for row in rows], after


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


# ---- files that arrive


@every_ending
def test_files_that_arrive_are_read_once_each(folder: Path, ending: str) -> None:
    found: list[int] = []
    checkpoint: Json = None
    for day in range(4):
        (folder / f"{day}.jsonl{ending}").write_bytes(READ[ending](lines(day, day + 100)))
        rows, checkpoint = read_on(folder, f"*.jsonl{ending}", checkpoint)
        found += rows

    assert found == [0, 100, 1, 101, 2, 102, 3, 103]
    assert read_on(folder, f"*.jsonl{ending}", checkpoint) == ([], checkpoint)


@every_ending
@pytest.mark.parametrize("slices", [1, 2, 3])
def test_a_read_that_broke_off_within_a_file_goes_on_there(folder: Path, ending: str, slices: int) -> None:
    (folder / f"1.jsonl{ending}").write_bytes(READ[ending](lines(*range(7))))
    (folder / f"2.jsonl{ending}").write_bytes(READ[ending](lines(7, 8)))
    policy = {**INCREMENTAL, "targetSliceSize": 3}
    *_, last = list(source(folder).plan(f"*.jsonl{ending}", None, policy).slices)[:slices]

    rest, _ = read_on(folder, f"*.jsonl{ending}", last.to_checkpoint, targetSliceSize=3)

    assert rest == list(range(9))[{1: 3, 2: 6, 3: 7}[slices] :]


def test_the_last_line_needs_no_line_feed_since_a_compressed_file_does_not_grow(folder: Path) -> None:
    (folder / "1.csv.gz").write_bytes(gzip.compress(b"n\n1\n2"))

    assert new_since(folder, "*.csv.gz", None)[0] == [{"n": "1"}, {"n": "2"}]
    assert "waiting" not in (source(folder).plan("*.csv.gz", None, INCREMENTAL).delivery or {})


def test_a_compressed_file_alone_has_nothing_new(folder: Path) -> None:
    (folder / "1.csv.gz").write_bytes(gzip.compress(b"n\n1\n"))

    with pytest.raises(ConfigInvalid, match=r"written once.*as unit \*\.csv\.gz") as refusal:
        new_since(folder, "1.csv.gz", None)

    assert refusal.value.details == {"field": "mode"}
    assert [unit.modes for unit in source(folder).list_units()] == [["full"]]


@pytest.mark.parametrize("slices", ["all", "some"])
@pytest.mark.parametrize("harm", ["appended", "replaced", "compressed anew"])
def test_a_file_that_changed_after_it_was_read_is_refused(folder: Path, harm: str, slices: str) -> None:
    path = folder / "1.jsonl.gz"
    path.write_bytes(gzip.compress(lines(1, 2, 3)))
    first, *_, last = source(folder).plan("*.jsonl.gz", None, {**INCREMENTAL, "targetSliceSize": 1}).slices
    changed = {
        "appended": path.read_bytes() + gzip.compress(lines(4)),
        "replaced": gzip.compress(lines(1, 2, 4)),
        "compressed anew": gzip.compress(lines(1, 2, 3), 1, mtime=1),
    }
    path.write_bytes(changed[harm])

    with pytest.raises(SourceReplaced, match=r"1\.jsonl\.gz .*replaced or changed.*reset the unit"):
        read_on(folder, "*.jsonl.gz", (last if slices == "all" else first).to_checkpoint)


def test_a_file_that_was_read_to_its_end_is_not_decompressed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "1.jsonl.gz").write_bytes(gzip.compress(lines(1, 2)))
    _, checkpoint = read_on(folder, "*.jsonl.gz", None)
    monkeypatch.setattr(files_decompressed, "_Passage", _closed)

    assert read_on(folder, "*.jsonl.gz", checkpoint) == ([], checkpoint)


def _closed(*_: Any) -> None:
    raise AssertionError("the file is decompressed")


def test_a_file_that_is_still_being_written_is_read_when_it_is_whole(folder: Path) -> None:
    (folder / "1.jsonl.gz").write_bytes(gzip.compress(lines(1)))
    _, checkpoint = read_on(folder, "*.jsonl.gz", None)
    whole = gzip.compress(lines(*range(2000)))
    (folder / "2.jsonl.gz").write_bytes(whole[:-20])

    with pytest.raises(RowRejected, match=r"2\.jsonl\.gz .*start again when it is whole"):
        read_on(folder, "*.jsonl.gz", checkpoint, targetSliceSize=10)
    (folder / "2.jsonl.gz").write_bytes(whole)

    assert read_on(folder, "*.jsonl.gz", checkpoint)[0] == list(range(2000))


# ---- a log that is compressed when it rotates


@pytest.mark.parametrize(("rotated", "pattern"), [
    ("app.log.1{}", "app.log*"),
    ("app.log-20260131{}", "app.log*"),
    ("app.log{}", "app.log*"),
    ("app2026.log{}", "app*"),
])  # fmt: skip
@every_ending
@pytest.mark.parametrize("appended", [(), (3,)], ids=["nothing", "a row"])
@pytest.mark.parametrize("begun", [None, (), (4,), (4, 5, 6, 7)], ids=["not", "empty", "shorter", "longer"])
@pytest.mark.parametrize("is_kept", [False, True], ids=["removed", "kept"])
def test_a_log_that_is_compressed_under_its_pattern_is_refused_by_both_names(
    folder: Path, rotated: str, pattern: str, ending: str, appended: tuple[int, ...], begun: tuple[int, ...] | None,
    is_kept: bool,
) -> None:  # fmt: skip
    log = folder / "app.log"
    log.write_bytes(lines(1, 2))
    _, checkpoint = read_on(folder, pattern, None)
    (folder / rotated.format(ending)).write_bytes(READ[ending](lines(1, 2, *appended)))
    if not is_kept:
        log.unlink()
    if begun is not None:
        log.write_bytes(lines(*begun))

    with pytest.raises(SourceReplaced, match=r"'app\.log', which was read, was compressed and is called") as refusal:
        read_on(folder, pattern, checkpoint)

    assert rotated.format(ending) in refusal.value.message
    assert refusal.value.details["part"] == rotated.format(ending)


def test_a_dated_log_that_is_compressed_after_the_next_was_begun_is_refused(folder: Path) -> None:
    (folder / "app-1.log").write_bytes(lines(1))
    (folder / "app-2.log").write_bytes(lines(2))
    _, checkpoint = read_on(folder, "app-*", None)
    (folder / "app-1.log").unlink()
    (folder / "app-1.log.gz").write_bytes(gzip.compress(lines(1)))

    with pytest.raises(SourceReplaced, match=r"'app-1\.log\.gz' of app-\* came or changed"):
        read_on(folder, "app-*", checkpoint)


def test_logs_that_are_read_compressed_alone_are_read_once(folder: Path) -> None:
    found: list[int] = []
    checkpoint: Json = None
    for day in range(4):
        (folder / "app.log").write_bytes(lines(day, day + 100))
        (folder / f"app-2026-01-{day:02}.log.gz").write_bytes(gzip.compress((folder / "app.log").read_bytes()))
        rows, checkpoint = read_on(folder, "app-*.log.gz", checkpoint)
        found += rows

    assert found == [0, 100, 1, 101, 2, 102, 3, 103]


def test_a_new_compressed_file_that_holds_what_one_held_that_went_is_read(folder: Path) -> None:
    """Its place on the disk is the same too, but it was written later."""
    first = folder / "1.jsonl.gz"
    first.write_bytes(gzip.compress(lines(7)))
    _, checkpoint = read_on(folder, "*.jsonl.gz", None)
    changed = first.stat().st_ctime_ns
    second = first.rename(folder / "2.jsonl.gz")
    while second.stat().st_mtime_ns <= changed:
        os.utime(second)

    assert read_on(folder, "*.jsonl.gz", checkpoint)[0] == [7]


def test_numbered_compressed_logs_that_move_on_are_refused(folder: Path) -> None:
    (folder / "app.log.1.gz").write_bytes(gzip.compress(lines(1)))
    _, checkpoint = read_on(folder, "app.log.*.gz", None)
    (folder / "app.log.1.gz").rename(folder / "app.log.2.gz")
    (folder / "app.log.1.gz").write_bytes(gzip.compress(lines(2)))

    with pytest.raises(SourceReplaced, match=r"'app\.log\.1\.gz', which was read, is called 'app\.log\.2\.gz' now"):
        read_on(folder, "app.log.*.gz", checkpoint)


def test_a_compressed_file_that_holds_something_else_than_the_plain_one_before_it_is_read(folder: Path) -> None:
    (folder / "1.log").write_bytes(lines(1, 2))
    _, checkpoint = read_on(folder, "*", None)
    (folder / "2.log.gz").write_bytes(gzip.compress(lines(1)))
    (folder / "3.log.gz").write_bytes(gzip.compress(lines(1, 3, 4)))

    assert read_on(folder, "*", checkpoint)[0] == [1, 1, 3, 4]


def test_a_full_load_that_broke_off_does_not_read_again_what_was_compressed_meanwhile(folder: Path) -> None:
    (folder / "1.log").write_bytes(lines(1, 2))
    opened = source(folder, format="jsonl")
    first, *_ = opened.plan("*", None, {**FULL, "targetSliceSize": 1}).slices
    (folder / "1.log").unlink()
    (folder / "1.log.gz").write_bytes(gzip.compress(lines(1, 2)))

    with pytest.raises(SourceReplaced, match=r"is called '1\.log\.gz' now"):
        carried(source(folder, format="jsonl"), "*", first.to_checkpoint, FULL)
