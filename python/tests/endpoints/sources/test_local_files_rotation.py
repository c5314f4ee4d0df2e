"""Files that somebody renames, replaces and begins while they are read: every row once, or a refusal that helps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endpoints.sources.local_files_reading import FULL, INCREMENTAL, carried, new_since, source
from hypothesis import given
from hypothesis import strategies as st

from headrace.endpoints.sources.local_files_matching import without_gaps
from headrace.errors import EndpointUnreachable, SourceReplaced
from headrace.protocol import Json


def write(path: Path, *numbers: int) -> Path:
    with path.open("a") as file:
        file.writelines(json.dumps({"n": number}) + "\n" for number in numbers)
    return path


def read_on(folder: Path, pattern: str, checkpoint: Json) -> tuple[list[int], Json]:
    rows, after = carried(source(folder, format="jsonl"), pattern, checkpoint, INCREMENTAL)
    return [row["n"] for row in rows], after


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


# ---- the next file, begun while the folder is listed


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.integers(0, 12))
def test_no_name_is_missing_that_came_before_one_that_is_listed(
    seen: set[int], seen_again: set[int], there: int
) -> None:
    """Names come in order. A listing holds all that were there when it began, and of those that come meanwhile any."""
    first = {*range(there), *seen}
    second = {*range(max(first, default=-1) + 1), *seen_again}

    listed = without_gaps([f"{n:02}" for n in first], [f"{n:02}" for n in second])

    assert listed == [f"{n:02}" for n in range(len(listed))]
    assert len(listed) >= there


_WRITES_FILE_AFTER_FILE = """
import sys
for number in range(3000):
    with open(f"{sys.argv[1]}/{number // 3:07}.jsonl", "ab", buffering=0) as file:
        file.write(b'{"n": %d}\\n' % number)
"""


def test_a_folder_whose_writer_goes_on_to_the_next_file_all_the_time_gives_every_row_once_and_in_order(
    folder: Path,
) -> None:
    found: list[int] = []
    checkpoint: Json = None

    with subprocess.Popen([sys.executable, "-c", _WRITES_FILE_AFTER_FILE, str(folder)]) as writer:
        has_ended = False
        while not has_ended:
            has_ended = writer.poll() is not None
            rows, checkpoint = read_on(folder, "*.jsonl", checkpoint)
            found += rows

    assert found == list(range(3000))


# ---- a log that rotates


@pytest.mark.parametrize(("current", "rotated", "pattern"), [
    ("app.log", "app.log.1", "app.log*"),
    ("app.log", "app.log-20260131", "app.log*"),
    ("app.log", "app-20260131.log", "app*.log"),
])  # fmt: skip
@pytest.mark.parametrize("appended", [(), (3,)], ids=["nothing", "a row"])
@pytest.mark.parametrize("begun", [None, (), (4,), (4, 5, 6, 7)], ids=["not", "empty", "shorter", "longer"])
def test_a_log_that_rotates_under_its_pattern_is_refused_by_both_names_and_told_how_to_rotate(
    folder: Path, current: str, rotated: str, pattern: str, appended: tuple[int, ...], begun: tuple[int, ...] | None
) -> None:
    log = write(folder / current, 1, 2)
    _, checkpoint = read_on(folder, pattern, None)
    write(log, *appended)
    log.rename(folder / rotated)
    if begun is not None:
        write(log, *begun)

    with pytest.raises(SourceReplaced, match=f"'{current}', which was read, is called '{rotated}' now") as refusal:
        read_on(folder, pattern, checkpoint)

    assert "app-*.log" in refusal.value.message
    assert refusal.value.details["part"] == rotated


def test_rotated_logs_that_sort_in_the_order_of_their_ages_are_read_once(folder: Path) -> None:
    found: list[int] = []
    checkpoint: Json = None
    for day in range(5):
        log = write(folder / "app.log", day, day + 100)
        log.rename(folder / f"app-2026-01-{day:02}.log")
        rows, checkpoint = read_on(folder, "app-*.log", checkpoint)
        found += rows

    assert found == [0, 100, 1, 101, 2, 102, 3, 103, 4, 104]


def test_a_numbered_log_whose_files_all_move_on_is_refused(folder: Path) -> None:
    write(folder / "app.log.1", 1)
    write(folder / "app.log", 2, 3)
    _, checkpoint = read_on(folder, "app.log*", None)
    (folder / "app.log.1").rename(folder / "app.log.2")
    (folder / "app.log").rename(folder / "app.log.1")
    write(folder / "app.log", 4)

    with pytest.raises(SourceReplaced, match=r"'app\.log\.1', which was read, is called 'app\.log\.2' now"):
        read_on(folder, "app.log*", checkpoint)


def test_a_parquet_file_that_was_read_is_not_read_again_under_another_name(folder: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), folder / "a.parquet")
    _, checkpoint = new_since(folder, "*.parquet", None)
    (folder / "a.parquet").rename(folder / "b.parquet")

    with pytest.raises(SourceReplaced, match=r"'a.parquet', which was read, is called 'b.parquet' now"):
        new_since(folder, "*.parquet", checkpoint)


def test_a_new_file_that_holds_what_one_held_that_went_is_read(folder: Path) -> None:
    """Its place on the disk is the same too, but it was written later."""
    first = write(folder / "1.jsonl", 7)
    _, checkpoint = read_on(folder, "*.jsonl", None)
    changed = first.stat().st_ctime_ns
    second = first.rename(folder / "2.jsonl")
    while second.stat().st_mtime_ns <= changed:
        os.utime(second)

    assert read_on(folder, "*.jsonl", checkpoint)[0] == [7]


def test_a_second_name_of_the_file_that_was_read_last_is_no_new_name(folder: Path) -> None:
    write(folder / "1.jsonl", 1)
    os.link(folder / "1.jsonl", folder / "2.jsonl")
    found, checkpoint = read_on(folder, "*.jsonl", None)

    assert (found, read_on(folder, "*.jsonl", checkpoint)[0]) == ([1, 1], [])


def test_a_checkpoint_from_before_inodes_were_kept_goes_on(folder: Path) -> None:
    write(folder / "1.jsonl", 1)
    _, checkpoint = read_on(folder, "*.jsonl", None)
    del checkpoint["inode"]
    write(folder / "1.jsonl", 2)

    assert read_on(folder, "*.jsonl", checkpoint)[0] == [2]


# ---- what happens between the listing and the opening


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_goes_after_it_was_listed_ends_the_run_and_the_next_goes_on(folder: Path, how: str) -> None:
    for number in (1, 2, 3):
        write(folder / f"{number}.jsonl", number)
    opened = source(folder)
    slices = iter(opened.plan("*.jsonl", None, INCREMENTAL).slices)
    first = next(slices)
    if how == "replaced":
        write(folder / "new", 2, 9).rename(folder / "2.jsonl")
    else:
        (folder / "2.jsonl").unlink()

    with pytest.raises(EndpointUnreachable, match=r"2\.jsonl was removed or replaced after the plan had listed it"):
        next(slices)

    rest = [2, 9, 3] if how == "replaced" else [3]
    assert read_on(folder, "*.jsonl", first.to_checkpoint)[0] == rest


def test_a_full_load_that_broke_off_does_not_read_again_what_was_renamed_meanwhile(folder: Path) -> None:
    write(folder / "1.jsonl", 1, 2)
    first, *_ = source(folder).plan("*.jsonl", None, {**FULL, "targetSliceSize": 1}).slices
    (folder / "1.jsonl").rename(folder / "2.jsonl")

    with pytest.raises(SourceReplaced, match=r"is called '2\.jsonl' now"):
        carried(source(folder), "*.jsonl", first.to_checkpoint, FULL)
