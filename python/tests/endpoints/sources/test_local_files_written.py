"""A folder that our own sink wrote is read as what it is: committed slices, in order, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from endpoints.sinks.local_files_kit import described, land, rows, sink, target, write
from endpoints.sources.local_files_reading import carried, new_since, rows_of, source

from headrace.errors import ConfigInvalid, EndpointUnreachable, SourceReplaced
from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "lake"
    land(path, target(), rows(1, 2), rows(3))
    return path


def read_on(base: Path, checkpoint: Json) -> tuple[list[int], Json]:
    found, after = new_since(base, UNIT, checkpoint)
    return [row["id"] for row in found], after


def test_slices_are_read_in_the_order_of_their_commits_and_new_ones_once(base: Path) -> None:
    found, checkpoint = read_on(base, None)
    land(base, target(), *(rows(n) for n in range(4, 15)))
    later, checkpoint = read_on(base, checkpoint)

    assert (found, later) == ([1, 2, 3], [*range(4, 15)])
    assert read_on(base, checkpoint) == ([], checkpoint)


def test_the_run_says_that_committed_slices_are_what_was_read(base: Path) -> None:
    said = source(base).plan(UNIT, None, {"mode": "full"}).delivery
    assert "the committed slices of a folder that Headrace wrote" in said["source"]
    assert "version" not in said["source"]

    land(base, target(unit_id="merged", unit="dev/shop/merged/lake", disposition="merge"), rows(1), rows(1))
    said = source(base).plan("merged", None, {"mode": "incremental"}).delivery
    assert "every version of a row is read, the newest last, so merge them by their key" in said["source"]
    assert said["deletes"] == "not captured"
    assert [row["id"] for row in rows_of(base, "merged")] == [1, 1]


def test_what_is_not_committed_is_not_read(base: Path) -> None:
    slot = base / UNIT / "gen=1" / "slice=000001"
    shutil.copytree(slot, base / UNIT / "_tmp" / "slice=000002")
    shutil.copytree(slot, base / "_tmp" / "run" / "attempt")
    shutil.copytree(slot, base / UNIT / "gen=1" / "slice=x")

    assert read_on(base, None)[0] == [1, 2, 3]


def test_a_first_load_that_is_not_whole_yet_is_waited_for_and_not_read_as_nothing(base: Path) -> None:
    new = target(unit_id="new", unit="dev/shop/new/lake", disposition="replace")
    into = sink(base)
    into.high_water(new, 1)
    into.prepare(new, described(rows()), {})
    write(into, new, 0, rows(1))

    with pytest.raises(EndpointUnreachable, match=r"nothing of it is whole yet\. Start again"):
        rows_of(base, "new")

    into.complete(new, {})
    assert [row["id"] for row in rows_of(base, "new")] == [1]


def test_a_generation_that_goes_on_is_read_after_the_one_it_follows(base: Path) -> None:
    _, checkpoint = read_on(base, None)
    land(base, target(2), rows(4), epoch=2)

    assert read_on(base, checkpoint)[0] == [4]
    assert read_on(base, None)[0] == [1, 2, 3, 4]


def test_a_folder_that_was_replaced_is_refused(base: Path) -> None:
    _, checkpoint = read_on(base, None)
    land(base, target(2, disposition="replace"), rows(1, 2), rows(3), epoch=2)

    with pytest.raises(SourceReplaced, match=r"The slice gen=1/slice=000001 .* the folder was written anew"):
        read_on(base, checkpoint)


def test_a_slice_whose_rows_are_others_now_is_refused(base: Path) -> None:
    _, checkpoint = read_on(base, None)
    shutil.rmtree(base / UNIT)
    land(base, target(), rows(1, 2), rows(9))

    with pytest.raises(SourceReplaced, match=r"reset the unit"):
        read_on(base, checkpoint)


def test_a_slice_without_rows_is_passed_over(base: Path) -> None:
    into = sink(base)
    high = into.high_water(target(), 1)
    assert high is not None
    write(into, target(), 2, None, prev_hash=high.hash)

    found, checkpoint = read_on(base, None)
    assert (found, read_on(base, checkpoint)[0]) == ([1, 2, 3], [])
    assert source(base).describe(UNIT).estimated_rows == 3


def test_a_slice_that_added_a_column_is_read_with_it(base: Path) -> None:
    wider = rows(4).append_column("more", pa.array(["x"]))
    land(base, target(), wider)

    assert source(base).describe(UNIT).arrow.names == ["id", "name", "more"]
    assert rows_of(base, UNIT)[-1] == {"id": 4, "name": "row 4", "more": "x"}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [("_commit.json", None, "its _commit.json is missing"), ("_commit.json", b"{", "its _commit.json cannot be read"),
     ("part-0.parquet", None, "its part-0.parquet is missing, and its record says 1 rows")],
)  # fmt: skip
def test_a_damaged_slice_is_refused_by_name(base: Path, name: str, content: bytes | None, why: str) -> None:
    path = base / UNIT / "gen=1" / "slice=000001" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigInvalid) as refusal:
        read_on(base, None)
    assert why in refusal.value.message
    assert refusal.value.details["path"] == str(path.parent)


def test_a_slice_that_holds_fewer_rows_than_its_record_says_is_refused(base: Path) -> None:
    slots = base / UNIT / "gen=1"
    shutil.copyfile(slots / "slice=000001" / "part-0.parquet", slots / "slice=000000" / "part-0.parquet")

    with pytest.raises(ConfigInvalid, match=r"its record says 2 rows, and its part-0.parquet has 1"):
        read_on(base, None)


def test_a_folder_replaced_while_it_is_listed_is_tried_again_later(base: Path) -> None:
    (base / UNIT / "gen=2").symlink_to(base / UNIT / "gen=1")

    with pytest.raises(EndpointUnreachable, match=r"is being written anew") as refusal:
        read_on(base, None)
    assert refusal.value.retry == "Later"


def test_a_load_of_slices_goes_on_within_one(base: Path) -> None:
    policy = {"mode": "full", "targetSliceSize": 1}
    first, *_ = source(base).plan(UNIT, None, policy).slices

    rest, end = carried(source(base), UNIT, first.to_checkpoint, policy)

    assert ([row["id"] for row in rest], end) == ([2, 3], None)
