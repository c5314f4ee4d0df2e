"""The contract of ``SourceEndpoint``, executable.

Subclass it and supply a source over data that you know. The suite compares what
is read with what you say is there, never reading with reading alone. What a
source cannot do stands in ``lacks`` with its reason, and the suite then sees
that it does not claim to.
"""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, ClassVar, cast

import msgspec
import pyarrow as pa
import pytest

from headrace.endpoint import DescribedEndpoint, Policy, SourceEndpoint
from headrace.errors import ConfigInvalid, UnitNotFound
from headrace.protocol import Json
from headrace.staging import NativeBlock, Row, Slice


class SourceEndpointSuite(abc.ABC):
    """Give a fresh source each test, over a unit of at least four rows.

    ``lacks`` may name ``incremental`` (the source reads everything each time) and
    ``slices`` (it cannot divide what it reads), each with its reason.
    """

    unit_id: str
    full_policy: ClassVar[Policy] = {"mode": "full"}
    incremental_policy: ClassVar[Policy] = {"mode": "incremental"}
    """Complete it with ``cursorField`` and what else the source needs."""
    small_slices: ClassVar[Policy] = {"targetSliceSize": 2}
    """Added to a policy, it makes several slices of the unit's rows."""
    lacks: ClassVar[Mapping[str, str]] = {}

    @abc.abstractmethod
    def described(self) -> type[DescribedEndpoint]:
        """The class that the registry calls ``described``."""

    @abc.abstractmethod
    def parameters(self) -> Mapping[str, str]:
        """Parameters that work; the same for every call within a test."""

    @abc.abstractmethod
    def source(self) -> SourceEndpoint:
        """A new source over the current data. The suite closes it."""

    @abc.abstractmethod
    def rows(self) -> Sequence[Row]:
        """What the unit holds now, known otherwise than through the source."""

    def change(self) -> Sequence[Row]:
        """Add and alter rows, and return what an incremental read must now deliver. At most three calls a test."""
        raise NotImplementedError("a source that reads incrementally needs it")

    # ---- reading everything

    def test_a_full_read_delivers_every_row_once(self, opened: SourceEndpoint) -> None:
        slices = self.plan(opened, None, self.full_policy)

        assert self.same(self.read(opened, slices, self.full_policy), self.rows())

    def test_slices_are_numbered_from_the_number_asked_for_without_a_gap(self, opened: SourceEndpoint) -> None:
        slices = self.plan(opened, None, {**self.full_policy, **self.small_slices}, next_seq=7)

        assert [slice_.seq for slice_ in slices] == list(range(7, 7 + len(slices))) != []

    def test_a_unit_is_divided_into_several_slices_when_they_are_to_be_small(self, opened: SourceEndpoint) -> None:
        slices = self.plan(opened, None, {**self.full_policy, **self.small_slices})

        assert (len(slices) > 1) is ("slices" not in self.lacks)
        assert self.same(self.read(opened, slices, self.full_policy), self.rows())

    def test_each_slice_begins_where_the_one_before_it_ends(self, opened: SourceEndpoint) -> None:
        slices = self.plan(opened, None, {**self.full_policy, **self.small_slices})

        ends = [None, *(slice_.to_checkpoint for slice_ in slices)]
        assert [slice_.from_checkpoint for slice_ in slices] == ends[:-1]

    def test_a_full_read_ends_without_a_checkpoint(self, opened: SourceEndpoint) -> None:
        assert self.plan(opened, None, self.full_policy)[-1].to_checkpoint is None

    def test_reading_a_slice_twice_delivers_the_same_rows(self, opened: SourceEndpoint) -> None:
        first = self.plan(opened, None, self.full_policy)[:1]

        assert self.same(self.read(opened, first, self.full_policy), self.read(opened, first, self.full_policy))

    def test_slices_that_are_read_at_once_are_those_read_one_after_the_other(self, opened: SourceEndpoint) -> None:
        """As many at once as the source says, and each in a thread of its own even if that is one."""
        slices = self.plan(opened, None, {**self.full_policy, **self.small_slices})
        width = opened.capabilities().parallel_reads

        with ThreadPoolExecutor(width) as threads:
            reads = [threads.submit(self.read, opened, [slice_], self.full_policy) for slice_ in slices]

        assert self.same([row for read in reads for row in read.result()], self.rows())

    def test_a_load_that_broke_off_goes_on_or_starts_over_but_loses_nothing(self, opened: SourceEndpoint) -> None:
        policy = {**self.full_policy, **self.small_slices}
        first, *_ = self.plan(opened, None, policy)
        kept = self.read(opened, [first], policy)

        with closing(self.source()) as later:
            rest = self.read(later, self.plan(later, first.to_checkpoint, policy, next_seq=1), policy)

        assert not self.missing(self.rows(), [*kept, *rest])

    # ---- reading what is new

    def test_an_incremental_read_without_a_checkpoint_delivers_every_row_once(self, opened: SourceEndpoint) -> None:
        self.needs_incremental(opened)
        slices = self.plan(opened, None, self.incremental_policy)

        assert self.same(self.read(opened, slices, self.incremental_policy), self.rows())
        assert slices[-1].to_checkpoint is not None

    def test_planning_again_from_the_last_checkpoint_finds_nothing(self, opened: SourceEndpoint) -> None:
        self.needs_incremental(opened)
        last = self.plan(opened, None, self.incremental_policy)[-1]

        with closing(self.source()) as later:
            assert self.plan(later, last.to_checkpoint, self.incremental_policy) == []

    def test_after_a_change_what_is_new_is_delivered_and_nothing_else(self, opened: SourceEndpoint) -> None:
        self.needs_incremental(opened)
        checkpoint = self.plan(opened, None, self.incremental_policy)[-1].to_checkpoint

        changed = self.change()

        with closing(self.source()) as later:
            slices = self.plan(later, checkpoint, self.incremental_policy, next_seq=1)
            assert self.same(self.read(later, slices, self.incremental_policy), changed)

    def test_an_incremental_read_goes_on_from_any_slice(self, opened: SourceEndpoint) -> None:
        self.needs_incremental(opened)
        policy = {**self.incremental_policy, **self.small_slices}
        first, *others = self.plan(opened, None, policy)
        expected = self.read(opened, others, policy)

        with closing(self.source()) as later:
            again = self.plan(later, first.to_checkpoint, policy, next_seq=1)
            assert self.same(self.read(later, again, policy), expected)

    def test_a_checkpoint_is_json_and_does_not_grow_from_run_to_run(self, opened: SourceEndpoint) -> None:
        self.needs_incremental(opened)
        checkpoint = self.plan(opened, None, self.incremental_policy)[-1].to_checkpoint
        sizes = [len(msgspec.json.encode(checkpoint))]

        for _ in range(3):
            self.change()
            with closing(self.source()) as later:
                checkpoint = self.plan(later, checkpoint, self.incremental_policy)[-1].to_checkpoint
            sizes.append(len(msgspec.json.encode(checkpoint)))

        assert msgspec.json.decode(msgspec.json.encode(checkpoint)) == checkpoint
        assert max(sizes) <= sizes[0] + 32

    # ---- what it says of itself

    def test_a_unit_that_is_not_there_is_refused_by_name(self, opened: SourceEndpoint) -> None:
        absent = f"{self.unit_id}_that_is_not_there"

        for ask in (
            lambda: opened.describe(absent),
            lambda: opened.preview(absent, 1),
            lambda: self.plan(opened, None, self.full_policy, unit_id=absent),
        ):
            with pytest.raises(UnitNotFound, match="that_is_not_there"):
                ask()

    def test_the_unit_is_listed_with_the_modes_the_source_can_read(self, opened: SourceEndpoint) -> None:
        (unit,) = [unit for unit in opened.list_units() if unit.unit_id == self.unit_id]

        assert ("full" in unit.modes) is opened.capabilities().full
        assert ("incremental" in unit.modes) is ("incremental" not in self.lacks)

    def test_it_claims_to_read_incrementally_only_if_it_does(self, opened: SourceEndpoint) -> None:
        assert opened.capabilities().incremental is ("incremental" not in self.lacks)

    def test_the_description_names_the_columns_of_the_rows(self, opened: SourceEndpoint) -> None:
        schema = opened.describe(self.unit_id)
        names = [column.name for column in schema.columns]

        assert names == schema.arrow.names == list(self.rows()[0])
        assert set(schema.primary_key) | set(schema.cursor_candidates) <= set(names)

    def test_a_preview_shows_no_more_rows_than_asked_for_as_plain_json(self, opened: SourceEndpoint) -> None:
        preview = opened.preview(self.unit_id, 2)

        assert [column.name for column in preview.columns] == list(self.rows()[0])
        assert len(preview.rows) == 2
        assert msgspec.json.decode(msgspec.json.encode(preview.rows)) == preview.rows

    def test_the_knowledge_base_learns_of_the_unit_as_one_dataset(self, opened: SourceEndpoint) -> None:
        records = list(opened.collect_metadata())

        ours = [record for record in records if record.payload.get("unitId") == self.unit_id]
        assert [record.entity_type for record in ours].count("catalog.dataset") == 1
        assert {record.provenance.endpoint_id for record in records} == {""}

    def test_the_descriptor_is_static_and_names_its_sensitive_fields(self) -> None:
        descriptor = self.described().descriptor()

        assert descriptor == self.described().descriptor()
        assert all(field.sensitive for field in descriptor.fields if field.value_type == "PASSWORD")
        assert {"ingest.full"} <= {capability.key for capability in descriptor.capabilities}

    def test_a_test_of_the_connection_succeeds(self) -> None:
        outcome = self.described().test_connection(self.parameters())

        assert (outcome.success, outcome.message) == (True, outcome.message)

    def test_a_connection_is_built_without_a_system(self) -> None:
        assert self.described().build_connection(self.parameters()).url

    def test_a_connection_without_what_is_required_is_refused_by_field(self) -> None:
        required = [field.key for field in self.described().descriptor().fields if field.required]

        for key in required:
            rest = {name: value for name, value in self.parameters().items() if name != key}
            with pytest.raises(ConfigInvalid) as refusal:
                self.described().build_connection(rest)
            assert refusal.value.details["field"] == key

    def test_closing_twice_is_closing_once(self, opened: SourceEndpoint) -> None:
        self.plan(opened, None, self.full_policy)

        opened.close()
        opened.close()

    # ---- for the tests above and for yours

    @pytest.fixture
    def opened(self) -> Iterator[SourceEndpoint]:
        with closing(self.source()) as source:
            yield source

    def needs_incremental(self, source: SourceEndpoint) -> None:
        """End the test when the source says it reads everything each time: it may then not accept the mode."""
        if "incremental" in self.lacks:
            with pytest.raises(ConfigInvalid):
                self.plan(source, None, {"mode": "incremental"})
            pytest.skip(self.lacks["incremental"])

    def plan(
        self, source: SourceEndpoint, checkpoint: Json, policy: Policy, next_seq: int = 0, unit_id: str | None = None
    ) -> list[Slice]:
        return list(source.plan(unit_id or self.unit_id, checkpoint, policy, next_seq).slices)

    def read(self, source: SourceEndpoint, slices: Sequence[Slice], policy: Policy) -> list[Row]:
        """Every row of the slices, whatever the shape it was read in."""
        return [
            row for slice_ in slices for item in source.read(self.unit_id, slice_, policy) for row in self.rows_of(item)
        ]

    def rows_of(self, item: pa.RecordBatch | NativeBlock | Row) -> Sequence[Row]:
        """Rows of one thing a read yields. A source that yields native blocks says here what is in one."""
        if isinstance(item, pa.RecordBatch):
            return cast("Sequence[Row]", cast(Any, item).to_pylist())
        assert isinstance(item, Mapping), f"override rows_of to say what is in a {type(item).__name__}"
        return [cast(Row, item)]

    def same(self, one: Sequence[Row], other: Sequence[Row]) -> bool:
        """The same rows, each as often, in any order."""
        return _counted(one) == _counted(other)

    def missing(self, expected: Sequence[Row], found: Sequence[Row]) -> list[Any]:
        return list((_counted(expected) - _counted(found)).elements())


def _counted(rows: Sequence[Row]) -> Counter[str]:
    return Counter(repr(sorted(row.items())) for row in rows)
