"""The contract of ``StagingProvider``, executable. Subclass it, give it a provider, and add nothing."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.errors import Bug, RowRejected, SchemaChanged, StagingFull
from headrace.staging import (
    IngestionContext,
    NativeBlock,
    Row,
    SessionClosed,
    StagingProvider,
    StagingSession,
)
from headrace.testing.staging_values import REFUSED, VALUES, write_parquet

ROWS: Sequence[Row] = [{"n": n, "name": f"row {n}"} for n in range(10)]

_cells = st.none() | st.integers(-(2**63), 2**63 - 1)
_texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
_batches = st.lists(st.lists(st.fixed_dictionaries({"n": _cells, "text": _texts})))


def context(**changes: Any) -> IngestionContext:
    """A context to stage for; ``changes`` replace its fields."""
    fields: dict[str, Any] = {
        "tenant": "dev",
        "endpoint_id": "shop",
        "unit_id": "public.orders",
        "sink_id": "lake",
        "run_id": "ingestion-shop-public.orders-3f0e3c4a-6f0a-4c37-9d4f-0d6f6b0a9a10",
        "epoch": 1,
        "generation": 1,
        "slice_seq": 0,
        "slice": None,
        "prev_hash": "",
        **changes,
    }
    return IngestionContext(**fields)


def read(session: StagingSession, chunk_size: int = 3) -> list[Row]:
    return [row for batch in session.reader().iter_batches(chunk_size) for row in batch]


class StagingProviderSuite(abc.ABC):
    """One instance a test; give the provider a place of its own in an autouse fixture if it needs one."""

    @abc.abstractmethod
    def provider(self) -> StagingProvider:
        """A provider over the same place each time it is called; the suite closes every session it opens."""

    def bounded_provider(self, max_bytes: int) -> StagingProvider:
        """A provider whose sessions hold ``max_bytes``. Unsaid, the context's own bound is what counts."""
        return self.provider()

    @abc.abstractmethod
    def leftovers(self) -> int:
        """Bytes the provider holds anywhere, now."""

    @pytest.fixture
    def session(self) -> Iterator[StagingSession]:
        with closing(self.provider().allocate_session(context())) as session:
            yield session

    @settings(suppress_health_check=[HealthCheck.differing_executors], deadline=None, max_examples=50)
    @given(batches=_batches, chunk_size=st.integers(1, 7))
    def test_rows_come_back_as_and_in_the_order_they_were_written(self, batches: Any, chunk_size: int) -> None:
        with closing(self.provider().allocate_session(context())) as session:
            for batch in batches:
                session.writer().write_batch(iter(batch))

            assert read(session, chunk_size) == [row for batch in batches for row in batch]

    @settings(suppress_health_check=[HealthCheck.differing_executors], deadline=None, max_examples=50)
    @given(batches=_batches)
    def test_the_seal_does_not_depend_on_how_rows_were_grouped(self, batches: Any) -> None:
        seals: list[tuple[int, str]] = []
        for grouping in (batches, [[row for batch in batches for row in batch]]):
            with closing(self.provider().allocate_session(context())) as session:
                for batch in grouping:
                    session.writer().write_batch(batch)
                seals.append((session.seal().rows, session.seal().sha256))

        assert seals[0] == seals[1]

    def test_the_seal_tells_rows_in_another_order_apart(self) -> None:
        hashes: set[str] = set()
        for rows in (ROWS, ROWS[::-1], ROWS[1:], [{**row, "name": None} for row in ROWS]):
            with closing(self.provider().allocate_session(context())) as session:
                session.writer().write_batch(rows)
                hashes.add(session.seal().sha256)

        assert len(hashes) == 4

    @pytest.mark.parametrize("kind", VALUES)
    def test_values_are_kept_exactly(self, session: StagingSession, kind: str) -> None:
        rows = [{"value": value} for value in VALUES[kind]]

        for row in rows:
            session.writer().write_batch([row])

        found = read(session)
        assert [repr(row) for row in found] == [repr(row) for row in rows] or found == rows
        assert [type(row["value"]) for row in found] == [type(row["value"]) for row in rows]

    @pytest.mark.parametrize("kind", REFUSED)
    def test_a_value_that_cannot_be_carried_is_refused_by_column_and_row(
        self, session: StagingSession, kind: str
    ) -> None:
        with pytest.raises(RowRejected) as refusal:
            session.writer().write_batch([{"value": value} for value in REFUSED[kind]])

        assert refusal.value.details == {"column": "value", "row": 1}

    def test_a_row_without_a_column_of_the_others_is_refused(self, session: StagingSession) -> None:
        session.writer().write_batch([{"a": 1, "b": 2}])

        with pytest.raises(RowRejected, match="'b'"):
            session.writer().write_batch([{"a": 1}])

    def test_batches_have_the_size_asked_for_and_the_last_holds_the_rest(self, session: StagingSession) -> None:
        for rows in (ROWS[:3], ROWS[3:7], ROWS[7:]):
            session.writer().write_batch(rows)

        assert [len(batch) for batch in session.reader().iter_batches(4)] == [4, 4, 2]

    def test_any_iterable_is_a_batch_and_an_empty_one_adds_nothing(self, session: StagingSession) -> None:
        writer = session.writer()
        writer.write_batch([])
        writer.write_batch(tuple(ROWS[:2]))
        writer.write_batch(row for row in ROWS[2:])

        assert read(session) == list(ROWS)

    def test_every_reader_starts_at_the_first_row(self, session: StagingSession) -> None:
        session.writer().write_batch(ROWS)
        next(iter(session.reader().iter_batches(4)))

        assert read(session) == list(ROWS)

    @pytest.mark.parametrize("chunk_size", [0, -1])
    def test_a_chunk_size_below_one_is_refused(self, session: StagingSession, chunk_size: int) -> None:
        with pytest.raises(ValueError, match="chunk_size"):
            session.reader().iter_batches(chunk_size)

    def test_arrow_batches_come_back_with_their_types(self, session: StagingSession) -> None:
        schema = pa.schema([("small", pa.int16()), ("at", pa.timestamp("ns", tz="UTC")), ("tags", pa.list_(pa.utf8()))])
        batch = pa.record_batch([[1, None], [1, 2], [["a"], None]], schema=schema)
        session.writer().write_arrow(batch)
        session.writer().write_arrow(batch.slice(1))

        found = pa.concat_batches(session.reader().iter_arrow())

        assert found.schema.equals(schema)
        assert session.reader().schema == schema
        assert found.equals(pa.concat_batches([batch, batch.slice(1)]))

    def test_arrow_is_read_in_batches_of_about_the_size_asked_for(self, session: StagingSession) -> None:
        batch = pa.record_batch([pa.array(range(100_000))], names=["n"])
        for start in range(0, 100_000, 1000):
            session.writer().write_arrow(batch.slice(start, 1000))

        sizes = [part.nbytes for part in session.reader().iter_arrow(max_bytes=80_000)]

        assert sum(sizes) == batch.nbytes
        assert max(sizes) <= 80_000
        assert len(sizes) <= 12

    def test_a_batch_with_other_columns_is_refused(self, session: StagingSession) -> None:
        session.writer().write_arrow(pa.record_batch([pa.array([1])], names=["n"]))

        with pytest.raises(SchemaChanged):
            session.writer().write_arrow(pa.record_batch([pa.array(["1"])], names=["n"]))

    def test_native_blocks_come_back_as_they_are(self, session: StagingSession) -> None:
        blocks = [NativeBlock(format="pgcopy", data=bytes([n]) * n, rows=n) for n in range(3)]
        for block in blocks:
            session.writer().write_native(block)

        assert list(session.reader().iter_native()) == blocks
        assert session.seal().rows == 3

    def test_a_native_file_comes_back_as_it_is_and_as_rows(self, session: StagingSession) -> None:
        path = session.native_path()
        assert (path is not None) is self.provider().takes_native_files
        if path is not None:
            write_parquet(session, path, ROWS)
            found = session.reader().native_file()

            assert found is not None
            assert pq.read_table(found.path).to_pylist() == list(ROWS)
            assert read(session) == list(ROWS)
            assert (session.seal().rows, session.seal().bytes) == (10, found.path.stat().st_size)

    def test_a_session_of_rows_has_no_native_file_and_takes_none(self, session: StagingSession) -> None:
        session.writer().write_batch(ROWS)

        path = session.native_path()
        if path is not None:
            with pytest.raises(Bug, match="holds rows"):
                write_parquet(session, path, ROWS)
        assert session.reader().native_file() is None

    def test_nothing_written_is_zero_rows_without_columns(self, session: StagingSession) -> None:
        assert (session.seal().rows, session.reader().schema, read(session)) == (0, None, [])

    def test_an_empty_batch_makes_the_columns_known(self, session: StagingSession) -> None:
        schema = pa.schema([("n", pa.int64())])
        session.writer().write_arrow(pa.record_batch([[]], schema=schema))

        assert (session.seal().rows, session.reader().schema) == (0, schema)

    def test_a_session_has_one_writer_and_sealing_ends_it(self, session: StagingSession) -> None:
        writer = session.writer()
        assert session.writer() is writer
        assert session.seal() == session.seal()

        with pytest.raises(SessionClosed):
            writer.write_batch(ROWS)

    def test_sessions_share_neither_id_nor_rows(self) -> None:
        provider = self.provider()
        with (
            closing(provider.allocate_session(context())) as one,
            closing(provider.allocate_session(context())) as other,
        ):
            one.writer().write_batch(ROWS)

            assert one.id != other.id
            assert read(other) == []

    def test_after_closing_every_use_is_refused_and_closing_again_is_not(self) -> None:
        session = self.provider().allocate_session(context())
        writer = session.writer()
        writer.write_batch(ROWS)
        reader = session.reader()
        begun = reader.iter_batches(1)
        next(begun)

        session.close()
        session.close()

        for use in (
            session.writer,
            session.seal,
            session.reader,
            lambda: writer.write_batch(ROWS),
            lambda: list(reader.iter_batches(1)),
            lambda: list(reader.iter_arrow()),
        ):
            with pytest.raises(SessionClosed):
                use()

    def test_closing_leaves_nothing_behind(self) -> None:
        before = self.leftovers()
        of_rows, of_a_file = (self.provider().allocate_session(context()) for _ in range(2))
        of_rows.writer().write_batch(ROWS)
        if (path := of_a_file.native_path()) is not None:
            write_parquet(of_a_file, path, ROWS)

        of_rows.close()
        of_a_file.close()

        assert self.leftovers() == before

    def test_a_session_that_failed_while_writing_leaves_nothing_behind(self) -> None:
        before = self.leftovers()
        session = self.provider().allocate_session(context())
        session.writer().write_batch(ROWS)
        with pytest.raises(RowRejected):
            session.writer().write_batch([{"n": object(), "name": None}])

        session.close()

        assert self.leftovers() == before

    def test_a_session_beyond_its_bound_is_refused(self) -> None:
        bounded = self.bounded_provider(1000).allocate_session(context(max_bytes=1000))
        with closing(bounded) as session, pytest.raises(StagingFull):
            session.writer().write_batch({"text": "x" * 100} for _ in range(11))

    def test_sweeping_spares_the_sessions_of_the_living(self, session: StagingSession) -> None:
        session.writer().write_batch(ROWS)

        assert self.provider().sweep(0, keep=[]) == (0, 0)
        assert read(session) == list(ROWS)
