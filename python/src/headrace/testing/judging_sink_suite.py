"""The contract of ``JudgingSink``, executable, beside that of every sink.

Subclass it with ``SinkEndpointSuite`` where a sink says beforehand what it would
not take. The suite does what a run does for ``quarantine``, ``discard_row`` and
``discard_value``: it asks, leaves out or fits what was named, and writes the rest.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa

from headrace.abilities import JudgingSink
from headrace.endpoint import Applied, SinkEndpoint, Target
from headrace.fitting import Fit
from headrace.refusals import RefusedRow
from headrace.sifting import SiftedSession
from headrace.staging import Row, StagingSession
from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.sink_writing import SCHEMA, SinkWriting, row
from headrace.testing.staging_suite import context

WIDER = SCHEMA.append(pa.field("extra", pa.int64()))


class JudgingSinkSuite(SinkWriting):
    def spoilt(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows, each with a value that the target cannot hold: text that is no UTF-8, unless the sink takes it."""
        names = pa.array([b"secret \xff"] * batch.num_rows, pa.binary()).view(pa.string())
        return batch.set_column(batch.schema.get_field_index("name"), SCHEMA.field("name"), names)

    def test_rows_it_cannot_hold_are_told_by_position_and_all_others_land(self, opened: SinkEndpoint) -> None:
        target = self.target()
        bad = [0, 3, 4, 6]

        with self._prepared(opened, target, range(7), bad) as session:
            refused = self._refused(opened, target, session)
            applied = self._written(opened, target, SiftedSession(session, None, [row.position for row in refused]))
        opened.complete(target, self.policy)

        assert [row.position for row in refused] == bad
        assert applied.rows == 3
        assert self.same(self.stored(target), [row(1), row(2), row(5)])

    def test_a_refused_row_says_why_and_where_and_shows_no_value(self, opened: SinkEndpoint) -> None:
        with self._prepared(opened, self.target(), range(2), [1]) as session:
            (refused,) = self._refused(opened, self.target(), session)

        assert (refused.code, refused.column) == ("UNSTORABLE", "name")
        assert "name" in refused.reason
        assert "secret" not in refused.reason

    def test_rows_that_it_takes_are_not_refused(self, opened: SinkEndpoint) -> None:
        with self._prepared(opened, self.target(), range(5), []) as session:
            assert list(self._refused(opened, self.target(), session)) == []

    def test_nothing_becomes_visible_by_asking(self, opened: SinkEndpoint) -> None:
        target = self.target()
        with self._prepared(opened, target, range(5), [2]) as session:
            self._refused(opened, target, session)

        with closing(self.sink()) as later:
            assert later.high_water(target, epoch=1) is None
        assert list(self.stored(target)) == []

    def test_who_asks_again_hears_the_same(self, opened: SinkEndpoint) -> None:
        """An owner that died after it asked is followed by one that asks."""
        target = self.target()
        with self._prepared(opened, target, range(5), [2, 4]) as session:
            first = self._refused(opened, target, session)
            with closing(self.sink()) as later:
                later.high_water(target, epoch=2)
                later.prepare(target, self.schema(), self.policy)
                assert list(self._refused(later, target, session)) == list(first)

    def test_more_refused_rows_than_were_asked_for_are_told_as_more(self, opened: SinkEndpoint) -> None:
        with self._prepared(opened, self.target(), range(9), [1, 2, 5, 7]) as session:
            refused = self._refused(opened, self.target(), session, most=2)

        assert len(refused) > 2

    def test_a_slice_of_nothing_but_such_rows_lands_without_one(self, opened: SinkEndpoint) -> None:
        target = self.target()

        with self._prepared(opened, target, range(3), [0, 1, 2]) as session:
            refused = self._refused(opened, target, session)
            self._written(opened, target, SiftedSession(session, None, [row.position for row in refused]))
        opened.complete(target, self.policy)

        assert len(refused) == 3
        assert list(self.stored(target)) == []

    def test_a_place_nobody_wrote_has_no_schema(self, opened: SinkEndpoint) -> None:
        opened.high_water(self.target(), epoch=1)

        assert _judging(opened).schema_there(self.target(), SCHEMA) is None

    def test_the_schema_there_is_that_of_the_rows_where_they_fit(self, opened: SinkEndpoint) -> None:
        self.carry(opened, self.target(), [[row(1)]], complete=False)

        assert _judging(opened).schema_there(self.target(), SCHEMA) == SCHEMA

    def test_a_column_of_another_kind_has_the_one_it_has_there(self, opened: SinkEndpoint) -> None:
        self.carry(opened, self.target(), [[row(1)]], complete=False)
        at = SCHEMA.get_field_index("amount")

        there = _judging(opened).schema_there(self.target(), SCHEMA.set(at, pa.field("amount", pa.bool_())))

        assert there is not None
        assert there.field("amount").type == SCHEMA.field("amount").type

    def test_rows_that_were_made_to_fit_add_no_column(self, opened: SinkEndpoint) -> None:
        target = self.target()
        self.carry(opened, target, [[row(1)]], complete=False)
        there = _judging(opened).schema_there(target, WIDER)
        assert there is not None

        with closing(self.staged([{**row(2), "extra": 7}], WIDER)) as session:
            opened.prepare(target, self.schema(there), self.policy)
            self._written(opened, target, SiftedSession(session, Fit(there), []), seq=1)
        opened.complete(target, self.policy)

        assert there == SCHEMA
        assert self.same(self.stored(target), [row(1), row(2)])
        assert all("extra" not in found for found in self.stored(target))

    @contextmanager
    def _prepared(
        self, sink: SinkEndpoint, target: Target, numbers: Iterable[int], bad: Sequence[int]
    ) -> Generator[StagingSession]:
        """Rows of these numbers, staged, and those at the positions of ``bad`` spoilt; the sink is ready for them."""
        sink.high_water(target, epoch=1)
        sink.prepare(target, self.schema(), self.policy)
        rows = [_one(row(number)) for number in numbers]
        staged = [self.spoilt(each) if at in bad else each for at, each in enumerate(rows)]
        session = InMemoryStaging().allocate_session(context())
        with closing(session):
            session.writer().write_arrow(pa.concat_batches(staged))
            session.seal()
            yield session

    def _refused(
        self, sink: SinkEndpoint, target: Target, session: StagingSession, most: int = 100
    ) -> Sequence[RefusedRow]:
        slice_, _ = self.slice_and_record(target, session.seal(), seq=0)
        return _judging(sink).refused_rows(target, slice_, session.reader(), most)

    def _written(self, sink: SinkEndpoint, target: Target, session: SiftedSession, *, seq: int = 0) -> Applied:
        slice_, commit = self.slice_and_record(target, session.seal(), seq=seq)
        return sink.write(target, slice_, session.reader(), commit)


def _one(values: Row) -> pa.RecordBatch:
    return pa.record_batch([pa.array([values[field.name]], field.type) for field in SCHEMA], schema=SCHEMA)


def _judging(sink: SinkEndpoint) -> JudgingSink:
    assert isinstance(sink, JudgingSink)
    return sink
