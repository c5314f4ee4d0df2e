"""Files that arrive one after the other are one unit: each is read once, and one that comes too late is refused."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endpoints.sources.local_files_reading import FULL, carried, new_since, source

from headrace.errors import ConfigInvalid, SchemaChanged, SourceReplaced, SourceRewound
from headrace.protocol import Json

UNIT = "in/*.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    arrive(path, "b.csv", "1")
    arrive(path, "d.csv", "2", "3")
    return path


def arrive(folder: Path, name: str, *values: str) -> Path:
    path = folder / name
    path.write_text("n\n" + "".join(f"{value}\n" for value in values))
    return path


def changed_after(path: Path, other: Path) -> None:
    """Touch ``path`` until the file system's clock, which ticks coarsely, shows it as the later of the two."""
    while path.stat().st_ctime_ns <= other.stat().st_ctime_ns:
        os.utime(path)


def read_on(folder: Path, checkpoint: Json) -> tuple[list[str], Json]:
    rows, after = new_since(folder.parent, UNIT, checkpoint)
    return [row["n"] for row in rows], after


def test_files_are_read_in_the_order_of_their_names_and_new_ones_once(folder: Path) -> None:
    found, checkpoint = read_on(folder, None)
    arrive(folder, "e.csv", "4")
    arrive(folder, "f.csv", "5")
    later, checkpoint = read_on(folder, checkpoint)

    assert (found, later) == (["1", "2", "3"], ["4", "5"])
    assert read_on(folder, checkpoint) == ([], checkpoint)


def test_the_last_file_may_grow_and_is_finished_when_another_comes(folder: Path) -> None:
    _, checkpoint = read_on(folder, None)
    with (folder / "d.csv").open("a") as file:
        file.write("4\n5")
    assert (grown := read_on(folder, checkpoint))[0] == ["4"]

    arrive(folder, "e.csv", "6")

    assert read_on(folder, grown[1])[0] == ["5", "6"]


@pytest.mark.parametrize("rest", ["7\n", "\n7\n", "\r\n7\n"])
def test_a_line_that_was_read_as_the_last_and_then_continued_is_refused_and_a_new_one_is_read(
    folder: Path, rest: str
) -> None:
    (folder / "d.csv").write_text("n\n2\n3")
    (folder / "e.csv").write_text("")
    _, checkpoint = read_on(folder, None)
    with (folder / "d.csv").open("a") as file:
        file.write(rest)

    if rest == "7\n":
        with pytest.raises(SourceReplaced, match=r"line 3: the line was read when it was the last"):
            read_on(folder, checkpoint)
    else:
        assert read_on(folder, checkpoint)[0] == ["7"]


def test_a_file_that_comes_too_late_is_refused_by_name(folder: Path) -> None:
    _, checkpoint = read_on(folder, None)
    changed_after(arrive(folder, "c.csv", "9"), folder / "b.csv")

    with pytest.raises(SourceReplaced, match=r"The file 'c.csv' of .* sort after") as refusal:
        read_on(folder, checkpoint)
    assert refusal.value.details["part"] == "c.csv"


def test_a_file_that_changes_after_it_was_passed_is_refused_by_name(folder: Path) -> None:
    _, checkpoint = read_on(folder, None)
    with (folder / "b.csv").open("a") as file:
        file.write("9\n")

    with pytest.raises(SourceReplaced, match=r"'b.csv'"):
        read_on(folder, checkpoint)


def test_files_that_were_read_may_go_even_the_last(folder: Path) -> None:
    arrive(folder, "a.csv")
    _, checkpoint = read_on(folder, None)
    arrive(folder, "e.csv", "4")
    os.unlink(folder / "a.csv")
    one, checkpoint = read_on(folder, checkpoint)
    arrive(folder, "f.csv", "5")
    for name in ("b.csv", "d.csv", "e.csv"):
        os.unlink(folder / name)
    two, checkpoint = read_on(folder, checkpoint)
    os.unlink(folder / "f.csv")

    assert (one, two) == (["4"], ["5"])
    assert read_on(folder, checkpoint) == ([], checkpoint)


def test_one_file_that_goes_does_not_hide_another_that_comes_late(folder: Path) -> None:
    _, checkpoint = read_on(folder, None)
    arrive(folder, "c.csv", "9")
    os.unlink(folder / "b.csv")

    with pytest.raises(SourceReplaced, match=r"'c.csv'"):
        read_on(folder, checkpoint)


def test_files_that_go_do_not_hide_one_that_comes_late(folder: Path) -> None:
    arrive(folder, "c.csv", "0")
    _, checkpoint = read_on(folder, None)
    changed_after(arrive(folder, "a.csv", "9"), folder / "d.csv")
    for name in ("b.csv", "c.csv"):
        os.unlink(folder / name)

    with pytest.raises(SourceReplaced, match=r"'a.csv'"):
        read_on(folder, checkpoint)


def test_a_copy_of_the_folder_goes_on_where_the_folder_was(folder: Path) -> None:
    _, checkpoint = read_on(folder, None)
    shutil.copytree(folder, folder.parent / "copy")
    shutil.rmtree(folder)
    (folder.parent / "copy").rename(folder)
    arrive(folder, "e.csv", "4")

    assert read_on(folder, checkpoint)[0] == ["4"]


def test_the_last_file_cut_or_replaced_is_refused(folder: Path) -> None:
    _, checkpoint = read_on(folder, None)
    arrive(folder, "d.csv", "2")
    with pytest.raises(SourceRewound):
        read_on(folder, checkpoint)

    arrive(folder, "d.csv", "2", "8")
    with pytest.raises(SourceReplaced):
        read_on(folder, checkpoint)


def test_after_forty_files_the_checkpoint_has_the_size_of_the_first(folder: Path) -> None:
    found, checkpoint = read_on(folder, None)
    first = len(json.dumps(checkpoint))
    for n in range(40):
        arrive(folder, f"e{n:02}.csv", str(n))
        rows, checkpoint = read_on(folder, checkpoint)
        found += rows

    assert found == ["1", "2", "3", *map(str, range(40))]
    assert len(json.dumps(checkpoint)) <= first + 8


def test_a_load_of_a_folder_goes_on_in_the_middle_of_a_file(folder: Path) -> None:
    policy = {"mode": "full", "targetSliceSize": 1}
    slices = list(source(folder.parent).plan(UNIT, None, policy).slices)

    rest, end = carried(source(folder.parent), UNIT, slices[1].to_checkpoint, policy)

    assert ([row["n"] for row in rest], end, len(slices)) == (["3"], None, 3)


@pytest.mark.parametrize("compressed", [bytes, gzip.compress], ids=["plain", "compressed"])
def test_a_load_goes_on_behind_a_file_whose_last_line_has_no_end(
    tmp_path: Path, compressed: Callable[[bytes], bytes]
) -> None:
    ending = "csv" if compressed is bytes else "csv.gz"
    for number, content in enumerate([b"n\n1\n2", b"n\n3"]):
        (tmp_path / f"{number}.{ending}").write_bytes(compressed(content))
    policy = {**FULL, "targetSliceSize": 1}
    _, second, _ = source(tmp_path).plan(f"*.{ending}", None, policy).slices

    assert carried(source(tmp_path), f"*.{ending}", second.to_checkpoint, policy) == ([{"n": "3"}], None)


def test_each_file_has_its_own_columns_and_the_newest_describe_the_unit(folder: Path) -> None:
    (folder / "e.csv").write_text("n,more\n4,x\n")

    rows, _ = carried(source(folder.parent), UNIT)

    assert rows[0] == {"n": "1"}
    assert rows[-1] == {"n": "4", "more": "x"}
    assert source(folder.parent).describe(UNIT).arrow.names == ["n", "more"]


def test_what_one_file_showed_of_a_column_holds_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"price": 2.5}\n')
    _, checkpoint = new_since(tmp_path, "*.jsonl", None)
    (tmp_path / "2.jsonl").write_text('{"price": 3}\n')

    rows, _ = new_since(tmp_path, "*.jsonl", checkpoint)

    assert [type(row["price"]) for row in rows] == [float]


def test_chosen_columns_are_read_of_files_that_have_any_of_them(folder: Path) -> None:
    (folder / "e.csv").write_text("more,n\nx,4\n")
    rows, _ = carried(source(folder.parent), UNIT, None, {"mode": "full", "columns": ["n"]})
    assert rows == [{"n": "1"}, {"n": "2"}, {"n": "3"}, {"n": "4"}]

    with pytest.raises(SchemaChanged, match=r"b\.csv has none of the columns"):
        carried(source(folder.parent), UNIT, None, {"mode": "full", "columns": ["more"]})


def test_only_files_that_the_name_matches_are_read(folder: Path) -> None:
    for name in ("_d.csv", ".d.csv", "d.csv.bak", "x.jsonl"):
        arrive(folder, name, "9")
    (folder / "folder.csv").mkdir()
    (folder / "link.csv").symlink_to(folder / "b.csv")

    assert read_on(folder, None)[0] == ["1", "2", "3"]
    rows, _ = carried(source(folder.parent), "in/b*.csv", None, FULL)
    assert [row["n"] for row in rows] == ["1"]


def test_a_folder_from_which_every_file_has_gone_has_nothing_new(folder: Path) -> None:
    _, checkpoint = read_on(folder, None)
    for path in folder.iterdir():
        path.unlink()

    opened = source(folder.parent)
    assert (opened.describe(UNIT).columns, opened.describe(UNIT).estimated_rows) == ((), 0)
    assert read_on(folder, checkpoint) == ([], checkpoint)


def test_a_file_that_is_still_being_written_fails_the_run_and_is_read_when_it_is_whole(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"n": [2]}), tmp_path / "2.parquet")
    whole = (tmp_path / "2.parquet").read_bytes()
    (tmp_path / "2.parquet").write_bytes(whole[:-4])

    with pytest.raises(ConfigInvalid, match=r"If it is still being written, start again when it is whole"):
        new_since(tmp_path, "*.parquet", None)

    (tmp_path / "2.parquet").write_bytes(whole)
    assert new_since(tmp_path, "*.parquet", None)[0] == [{"n": 1}, {"n": 2}]
