"""What is added to files travels once: no line lost, none doubled, and what was cut or replaced is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endpoints.sources.local_files_reading import FULL, carried, new_since, source

from headrace.errors import ConfigInvalid, EndpointUnreachable, SourceReplaced, SourceRewound
from headrace.protocol import Json


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("n,v\n1,a\n2,b\n")
    return path


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["n"]) for row in rows]


def read_on(path: Path, checkpoint: Json) -> tuple[list[int], Json]:
    rows, after = new_since(path.parent, path.name, checkpoint)
    return numbers(rows), after


# ---- one file


@pytest.mark.parametrize(
    "pieces", [["3,c", "c", "\n"], ["3,", '"c', "\nc", '"\n'], ["3", ",c\r", "\n"], ["\n\n", "3,c\n"]]
)
def test_a_line_written_in_pieces_travels_once_when_it_is_whole(log: Path, pieces: list[str]) -> None:
    found, checkpoint = read_on(log, None)
    for piece in pieces:
        append(log, piece)
        rows, checkpoint = read_on(log, checkpoint)
        found += rows

    assert found == [1, 2, 3]


@pytest.mark.parametrize("pieces", [['{"n": 3', "}", "\n"], ['{"n": 3}', "\r\n"], ['{"n": "', '3"}  ', "\n\n"]])
def test_an_object_written_in_pieces_travels_once_when_it_is_whole(tmp_path: Path, pieces: list[str]) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"n": "1"}\n{"n": "2"}\n')
    found, checkpoint = read_on(path, None)
    for piece in [*(each.replace('"n": 3', '"n": "3"') for each in pieces), '{"n": "4"}\n']:
        append(path, piece)
        rows, checkpoint = read_on(path, checkpoint)
        found += rows

    assert found == [1, 2, 3, 4]


def test_a_whole_object_does_not_wait_for_its_line_feed(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"n": 1}\n{"n": 2}')

    assert read_on(tmp_path / "log.jsonl", None)[0] == [1, 2]


def test_a_full_read_takes_the_last_line_without_its_line_feed(log: Path) -> None:
    append(log, "3,c")

    assert numbers(carried(source(log.parent), "log.csv")[0]) == [1, 2, 3]


def test_a_line_that_waits_is_told_of(log: Path) -> None:
    def waiting() -> Json:
        return source(log.parent).plan("log.csv", None, {"mode": "incremental"}).delivery.get("waiting")

    assert waiting() is None
    append(log, "3,c")
    assert waiting() == "the last line has no line feed yet, and is read once it has"
    assert source(log.parent).plan("log.csv", None, FULL).delivery == {}


def test_a_header_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("n,va")

    with pytest.raises(EndpointUnreachable, match=r"header") as refusal:
        new_since(tmp_path, "log.csv", None)
    assert refusal.value.retry == "Later"

    append(tmp_path / "log.csv", "lue\n1,a\n")
    assert new_since(tmp_path, "log.csv", None)[0] == [{"n": "1", "value": "a"}]


def test_nothing_new_is_no_slice_and_the_checkpoint_stays(log: Path) -> None:
    _, checkpoint = read_on(log, None)

    assert read_on(log, checkpoint) == ([], checkpoint)


def test_after_forty_runs_the_checkpoint_has_the_size_of_the_first(log: Path) -> None:
    found, checkpoint = read_on(log, None)
    first = len(json.dumps(checkpoint))
    for n in range(3, 43):
        append(log, f"{n},x\n")
        rows, checkpoint = read_on(log, checkpoint)
        found += rows

    assert found == list(range(1, 43))
    assert len(json.dumps(checkpoint)) <= first + 8


def test_a_file_that_was_cut_is_refused_as_rewound(log: Path) -> None:
    _, checkpoint = read_on(log, None)
    os.truncate(log, log.stat().st_size - 4)

    with pytest.raises(SourceRewound, match=r"was read up to byte 12, and it ends at byte 8 now. .* reset the unit"):
        read_on(log, checkpoint)


@pytest.mark.parametrize("content", ["n,v\n8,a\n9,b\n", "v,n\n1,a\n2,b\n3,c\n", "n,v\n1,a\n2,B\n3,c\n"])
def test_a_file_that_was_replaced_is_refused(log: Path, content: str) -> None:
    _, checkpoint = read_on(log, None)
    log.unlink()
    log.write_text(content)

    with pytest.raises(SourceReplaced, match=r"reset the unit"):
        read_on(log, checkpoint)


def test_a_copy_of_the_file_with_more_lines_goes_on(log: Path) -> None:
    _, checkpoint = read_on(log, None)
    content = log.read_text()
    log.unlink()
    log.write_text(content + "3,c\n")

    assert read_on(log, checkpoint)[0] == [3]


def test_a_change_far_back_in_a_long_file_is_seen_at_its_beginning_and_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("n\n" + "".join(f"{n}\n" for n in range(100_000)))
    _, checkpoint = read_on(path, None)
    content = path.read_bytes()

    for at in (2, len(content) - 2):
        path.write_bytes(content[:at] + b"x" + content[at + 1 :])
        with pytest.raises(SourceReplaced):
            read_on(path, checkpoint)
    path.write_bytes(content)
    assert read_on(path, checkpoint)[0] == []


def test_a_file_replaced_between_plan_and_read_is_refused(log: Path) -> None:
    opened = source(log.parent)
    (each,) = opened.plan("log.csv", None, FULL).slices
    log.write_text("n,v\n8,a\n9,b\n")

    with pytest.raises(SourceReplaced, match=r"while it was read"):
        list(opened.read("log.csv", each, FULL))


def test_a_file_removed_between_plan_and_read_is_refused(log: Path) -> None:
    opened = source(log.parent)
    (each,) = opened.plan("log.csv", None, FULL).slices
    log.unlink()

    with pytest.raises(SourceReplaced, match=r"is gone"):
        list(opened.read("log.csv", each, FULL))


def test_what_is_appended_after_the_plan_waits_for_the_next(log: Path) -> None:
    opened = source(log.parent)
    plan = opened.plan("log.csv", None, {"mode": "incremental"})
    append(log, "3,c\n")

    (each,) = plan.slices
    rows = [row for batch in opened.read("log.csv", each, {}) for row in batch.to_pylist()]
    assert numbers(rows) == [1, 2]
    assert read_on(log, each.to_checkpoint)[0] == [3]


# ---- a load that broke off


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_load_that_broke_off_goes_on_where_it_was(log: Path, ending: str) -> None:
    append(log, "3,c\n4,d" + ending)
    opened, policy = source(log.parent), {"mode": "full", "targetSliceSize": 3}
    first, *_ = opened.plan("log.csv", None, policy).slices

    rest, end = carried(source(log.parent), "log.csv", first.to_checkpoint, policy)

    assert (numbers(rest), end) == ([4], None)


def test_a_load_of_which_nothing_is_left_still_ends(log: Path) -> None:
    first, *_ = source(log.parent).plan("log.csv", None, {"mode": "full", "targetSliceSize": 1}).slices
    os.truncate(log, len("n,v\n1,a\n"))

    (last,) = source(log.parent).plan("log.csv", first.to_checkpoint, FULL).slices

    assert (last.to_checkpoint, list(source(log.parent).read("log.csv", last, FULL))) == (None, [])


def test_a_read_that_did_not_end_is_not_gone_on_with_in_the_other_mode(log: Path) -> None:
    first, *_ = source(log.parent).plan("log.csv", None, {"mode": "full", "targetSliceSize": 1}).slices
    with pytest.raises(
        ConfigInvalid, match=r"A full read of log\.csv did not end well, and mode is incremental now"
    ) as refusal:
        read_on(log, first.to_checkpoint)
    assert refusal.value.details["field"] == "mode"

    _, followed = read_on(log, None)
    with pytest.raises(ConfigInvalid, match=r"An incremental read of log\.csv did not end well, and mode is full now"):
        carried(source(log.parent), "log.csv", followed)


def test_a_limit_counts_over_slices_and_a_load_that_broke_off(log: Path) -> None:
    append(log, "3,c\n4,d\n5,e\n")
    policy = {"mode": "full", "limit": 4, "targetSliceSize": 3}
    first, *_ = source(log.parent).plan("log.csv", None, policy).slices

    assert numbers(carried(source(log.parent), "log.csv", None, policy)[0]) == [1, 2, 3, 4]
    assert numbers(carried(source(log.parent), "log.csv", first.to_checkpoint, policy)[0]) == [4]


# ---- checkpoints of others


@pytest.mark.parametrize("checkpoint", [{}, {"version": 2}, "x", 5, {"version": 1, "format": "csv", "phase": "follow"}])
def test_a_checkpoint_that_is_none_of_ours_is_refused_and_never_taken_for_none(log: Path, checkpoint: Json) -> None:
    with pytest.raises(ConfigInvalid, match=r"file.local did not write it"):
        read_on(log, checkpoint)


def test_a_checkpoint_of_another_format_is_refused(log: Path) -> None:
    _, checkpoint = read_on(log, None)

    with pytest.raises(ConfigInvalid, match=r"was read as csv, and it is to be read as jsonl now"):
        carried(source(log.parent, format="jsonl"), "log.csv", checkpoint, {"mode": "incremental"})


@pytest.mark.parametrize(
    ("policy", "field"),
    [({"cursorField": "n"}, "cursorField"), ({"limit": 1}, "limit"), ({"lookback": "1 day"}, "lookback"),
     ({"deletes": "soft"}, "deletes"),
     ({"columns": []}, "columns"), ({"targetSliceSize": 0}, "targetSliceSize")],
)  # fmt: skip
def test_a_policy_that_files_cannot_honour_is_refused_by_key(log: Path, policy: dict[str, Json], field: str) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        new_since(log.parent, "log.csv", None, **policy)
    assert refusal.value.details["field"] == field


def test_a_file_that_never_grows_is_read_whole_or_with_others_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    pq.write_table(pa.table({"n": [1]}), tmp_path / "day" / "1.parquet")

    with pytest.raises(ConfigInvalid, match=r"as unit day/\*\.parquet") as refusal:
        new_since(tmp_path, "day/1.parquet", None)
    assert refusal.value.details["field"] == "mode"
    assert new_since(tmp_path, "day/*.parquet", None)[0] == [{"n": 1}]


def test_closing_the_source_ends_a_read_in_progress(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "n.parquet")
    opened, policy = source(tmp_path), {"mode": "full", "batchBytes": 8}
    (each,) = opened.plan("n.parquet", None, policy).slices
    reading = opened.read("n.parquet", each, policy)
    next(reading)

    opened.close()

    with pytest.raises(EndpointUnreachable, match=r"was closed while n.parquet was read"):
        next(reading)
