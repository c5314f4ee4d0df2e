"""The rules of a session that hold whatever its store does, also when the store fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import Bug, RowRejected, SchemaChanged, StagingFull
from headrace.sessions import ROWS_AT_ONCE, StagedSession
from headrace.staging import NativeBlock, Seal
from headrace.testing.staging_suite import context, read


class Shelf:
    """A store in a list. ``holds``: it is full after so many batches. ``finishes``: it can be finished."""

    def __init__(self, holds: int = 10**9, finishes: bool = True) -> None:
        self.batches_: list[pa.RecordBatch] = []
        self.blocks_: list[NativeBlock] = []
        self.holds = holds
        self.finishes = finishes
        self.deleted = 0

    def append(self, batch: pa.RecordBatch) -> None:
        if len(self.batches_) == self.holds:
            raise StagingFull("The shelf is full.", role="staging")
        self.batches_.append(batch)

    def append_native(self, block: NativeBlock) -> None:
        self.blocks_.append(block)

    def native_path(self) -> None:
        return None

    def keep_native_file(self) -> Path:
        raise AssertionError("a shelf has no place for files")

    def finish(self, seal: Seal) -> None:
        if not self.finishes:
            raise StagingFull("The shelf cannot be closed.", role="staging")

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self.batches_)

    def blocks(self) -> Iterator[NativeBlock]:
        return iter(self.blocks_)

    def delete(self) -> None:
        self.deleted += 1


def session(store: Shelf | None = None) -> StagedSession:
    return StagedSession("run/0", context(), store or Shelf())


def test_a_session_that_could_not_be_finished_is_not_sealed() -> None:
    store = Shelf(finishes=False)
    opened = session(store)
    opened.write_batch([{"n": 1}])

    for _ in range(2):
        with pytest.raises(StagingFull):
            opened.seal()
    with pytest.raises(StagingFull):
        opened.reader()

    store.finishes = True
    assert opened.seal().rows == 1


def test_what_the_store_refused_is_not_counted() -> None:
    opened = session(Shelf(holds=1))
    opened.write_batch([{"n": 1}])
    with pytest.raises(StagingFull):
        opened.write_batch([{"n": 2}, {"n": 3}])

    expected = session()
    expected.write_batch([{"n": 1}])

    assert opened.seal() == expected.seal()
    assert read(opened) == [{"n": 1}]


def test_a_refused_row_leaves_the_groups_before_its_own() -> None:
    opened = session()
    rows: list[dict[str, Any]] = [{"n": n} for n in range(2 * ROWS_AT_ONCE)]
    rows[ROWS_AT_ONCE + 5] = {"n": "text"}

    with pytest.raises(RowRejected) as refusal:
        opened.write_batch(iter(rows))

    assert refusal.value.details == {"column": "n", "row": ROWS_AT_ONCE + 5}
    assert opened.seal().rows == ROWS_AT_ONCE


def test_a_generator_is_drawn_group_by_group() -> None:
    drawn: list[int] = []
    store = Shelf(holds=1)

    def rows() -> Iterator[dict[str, int]]:
        for n in range(10 * ROWS_AT_ONCE):
            drawn.append(n)
            yield {"n": n}

    with pytest.raises(StagingFull):
        session(store).write_batch(rows())

    assert len(drawn) == 2 * ROWS_AT_ONCE


def test_rows_and_native_blocks_do_not_share_a_session() -> None:
    block = NativeBlock(format="pgcopy", data=b"1", rows=1)
    of_rows, of_blocks = session(), session()
    of_rows.write_batch([{"n": 1}])
    of_blocks.write_native(block)

    with pytest.raises(Bug, match="holds rows was given pgcopy"):
        of_rows.write_native(block)
    with pytest.raises(Bug, match="holds pgcopy was given rows"):
        of_blocks.write_batch([{"n": 1}])

    assert (of_rows.seal().rows, of_blocks.seal().rows) == (1, 1)


def test_native_blocks_are_of_one_format() -> None:
    opened = session()
    opened.write_native(NativeBlock(format="pgcopy", data=b"1", rows=1))

    with pytest.raises(Bug, match="pgcopy was given parquet"):
        opened.write_native(NativeBlock(format="parquet", data=b"1", rows=1))


def test_the_seal_of_native_blocks_names_format_rows_and_bytes_but_not_the_blocks() -> None:
    def sealed(*blocks: tuple[str, bytes, int]) -> str:
        opened = session()
        for format_, data, rows in blocks:
            opened.write_native(NativeBlock(format=format_, data=data, rows=rows))
        return opened.seal().sha256

    known = sealed(("pgcopy", b"ab", 2))

    assert sealed(("pgcopy", b"a", 1), ("pgcopy", b"b", 1)) == known
    others = {sealed(("pgcopy", b"ab", 3)), sealed(("pgcopy", b"ac", 2)), sealed(("parquet", b"ab", 2))}
    assert len(others | {known}) == 4


class Chute:
    """A load that notes what comes down, and is finished only with the rows it was made for."""

    format = "pgcopy"

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.said: list[str] = []

    def write(self, data: bytes) -> None:
        self.said.append(data.decode())

    def finish(self, rows: int) -> None:
        if rows != self.rows:
            raise Bug(f"{self.rows} rows were to come, and {rows} did.", role="sink")
        self.said.append("finished")

    def abandon(self) -> None:
        self.said.append("abandoned")


def test_blocks_that_are_handed_on_are_sealed_as_those_that_are_kept_and_are_kept_nowhere() -> None:
    blocks = [NativeBlock(format="pgcopy", data=data, rows=rows) for data, rows in ((b"ab", 0), (b"c", 3))]
    kept, chute, store = session(), Chute(3), Shelf()
    handing = session(store)
    handing.hand_on(chute)
    assert handing.handed_on is None

    for block in blocks:
        kept.write_native(block)
        handing.write_native(block)

    assert handing.seal() == kept.seal()
    assert (handing.handed_on, kept.handed_on) == (chute, None)
    assert (chute.said, store.blocks_) == (["ab", "c", "finished"], [])
    with pytest.raises(Bug, match="handed on as they came"):
        next(handing.reader().iter_native())


def test_a_session_is_not_sealed_when_its_load_has_other_rows() -> None:
    handing = session()
    handing.hand_on(Chute(2))
    handing.write_native(NativeBlock(format="pgcopy", data=b"a", rows=3))

    for _ in range(2):
        with pytest.raises(Bug, match="2 rows were to come, and 3 did"):
            handing.seal()


def test_a_session_that_is_closed_abandons_its_load_and_then_deletes_what_it_has() -> None:
    store, chute = Shelf(), Chute(0)
    handing = session(store)
    handing.hand_on(chute)

    handing.close()

    assert (chute.said, store.deleted) == (["abandoned"], 1)


def test_a_session_with_a_load_keeps_what_is_of_another_shape() -> None:
    store, chute = Shelf(), Chute(0)
    handing = session(store)
    handing.hand_on(chute)

    handing.write_batch([{"n": 1}])

    assert (read(handing), handing.handed_on, chute.said) == ([{"n": 1}], None, [])


def test_what_is_there_already_is_not_handed_on() -> None:
    opened = session()
    opened.write_batch([{"n": 1}])

    with pytest.raises(Bug, match="holds something"):
        opened.hand_on(Chute(0))


def test_a_wider_batch_changes_how_the_rows_before_it_are_read_and_sealed() -> None:
    in_turn, at_once = session(), session()
    rows: list[dict[str, Any]] = [{"v": None}, {"v": {"a": 1}}, {"v": {"b": [2]}}]
    for row in rows:
        in_turn.write_batch([row])
    at_once.write_batch(rows)

    assert in_turn.seal().sha256 == at_once.seal().sha256
    assert in_turn.reader().schema == at_once.reader().schema
    assert read(in_turn) == rows


def test_a_batch_of_another_kind_leaves_what_was_there() -> None:
    opened = session()
    opened.write_batch([{"n": 1}])

    with pytest.raises(SchemaChanged):
        opened.write_batch([{"n": "text"}])

    assert read(opened) == [{"n": 1}]


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 400))
def test_arrow_is_read_whole_in_order_and_in_batches_of_the_size(lengths: list[int], max_bytes: int) -> None:
    opened = session()
    numbers = iter(range(10**6))
    for length in lengths:
        opened.write_arrow(pa.record_batch([pa.array([next(numbers) for _ in range(length)], pa.int64())], names=["n"]))

    batches = list(opened.reader().iter_arrow(max_bytes))

    assert [n for batch in batches for n in batch.column(0).to_pylist()] == list(range(sum(lengths)))
    assert all(batch.num_rows == 1 or batch.nbytes <= max_bytes for batch in batches)
    assert all(batch.num_rows > 0 for batch in batches)


def test_closing_deletes_once_and_what_comes_after_is_refused() -> None:
    store = Shelf()
    opened = session(store)

    opened.close()
    opened.close()

    assert store.deleted == 1
