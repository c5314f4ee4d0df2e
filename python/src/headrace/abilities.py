"""What an endpoint may be able to do beyond its contract. A run asks whether it can, and finds another way if not."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from headrace.endpoint import Applied, Policy, Target
from headrace.protocol import CommitRecord
from headrace.refusals import RefusedRow, Sifted
from headrace.staging import BlockLoad, RecordReader, RowLoad, Slice

if TYPE_CHECKING:
    import pyarrow as pa


@runtime_checkable
class KeyedSource(Protocol):
    """A source that knows which keys its unit has, which ``deletes: keyDiff`` needs. Asked after the last slice."""

    def keys(self, unit_id: str, key: tuple[str, ...], policy: Policy) -> Generator[pa.RecordBatch]:
        """The key of every row there is to be read, under the plan's snapshot: columns ``key`` and no other."""
        ...

    def tombstones(
        self, unit_id: str, key: tuple[str, ...], keys: Sequence[tuple[str, ...]], policy: Policy
    ) -> Iterator[pa.RecordBatch]:
        """Of these keys, those that the same snapshot really has not, as rows that say so with ``_headrace_op`` 1.

        Keys come as text, and are compared as the source compares them.
        """
        ...


@runtime_checkable
class RecallingSource(Protocol):
    """A source that can be asked for single rows, so that one set aside long ago is tried as it is today."""

    def rows_of(
        self, unit_id: str, key: tuple[str, ...], keys: Sequence[tuple[str, ...]], policy: Policy
    ) -> Iterator[pa.RecordBatch | Sifted]:
        """The rows that have one of these keys, as ``read`` would yield them now, in any order.

        Keys come as text, and are compared as the source compares them.
        """
        ...


@runtime_checkable
class BlockSource(Protocol):
    """A source that may also hand its rows over in blocks that nobody looks into."""

    def block_schema(self, unit_id: str, policy: Policy) -> pa.Schema | None:
        """What the columns of its blocks are, in words of the format's own in the metadata of fields.

        The format is ``policy["nativeFormat"]``. None: this unit is not read in blocks, or not with this policy.
        """
        ...


@runtime_checkable
class KeyedSink(Protocol):
    """A sink that can tell which rows it holds: what ``deletes: keyDiff`` needs of it."""

    def existing_keys(self, target: Target) -> Generator[pa.RecordBatch]:
        """The key of every row the target holds, columns ``target.primary_key`` and no other; none without a target.

        Asked when no slice is being written. A text that the source does not
        write the same way costs it a look, never a row.

        Raises:
            ConfigInvalid: Rows of others may be among them, which are not ours to take away.
        """
        ...


@runtime_checkable
class BlockSink(Protocol):
    """A sink that takes blocks as they are read: any number of slices at once, each into a place nobody reads.

    The place is the sink's own, and goes with the session. Calls come in this
    order: ``prepare`` with the blocks' schema, ``load``…, then for each slice in
    order of ``seq`` ``write_loaded``.
    """

    def can_load(self, target: Target, schema: pa.Schema, policy: Policy) -> bool:
        """Whether blocks of these columns can go where the target's rows go, and no value would change."""
        ...

    def load(self, target: Target, slice_: Slice, schema: pa.Schema) -> BlockLoad:
        """A place for one slice. Nothing is done before its first block."""
        ...

    def write_loaded(self, target: Target, slice_: Slice, load: BlockLoad, commit: CommitRecord) -> Applied:
        """Make what was loaded and finished part of the target, with its record: ``write`` of a ``SinkEndpoint``.

        Raises:
            SinkAmbiguous: The answer was lost, and the loaded rows with it. The next run knows, and reads them again.
        """
        ...


@runtime_checkable
class RowLoadingSink(Protocol):
    """A sink that takes the rows of several slices at once, each into a place nobody reads, and shows them in order.

    Asked after ``prepare`` for these columns, and not again before all loads were given up. Loads may be filled
    in any order, and beside ``write``; ``write_loaded`` comes in order of ``seq``.
    """

    def load_rows(self, target: Target, slice_: Slice, schema: pa.Schema) -> RowLoad:
        """A place for the rows of one slice."""
        ...

    def write_loaded(self, target: Target, slice_: Slice, load: RowLoad, commit: CommitRecord) -> Applied:
        """Make what was loaded part of the target, with its record: ``write`` of a ``SinkEndpoint``.

        After any error but ``SinkFenced`` and ``RowRejected`` the same slice may be given to ``write``.
        """
        ...


@runtime_checkable
class JudgingSink(Protocol):
    """A sink that says beforehand what it would not take. With any other, a row it refuses ends the run."""

    def schema_there(self, target: Target, schema: pa.Schema) -> pa.Schema | None:
        """How rows of ``schema`` would have to look so that the target stays as it is; None while there is none.

        Columns the target has not are left out, and one it cannot hold has the type it has there: null, where no
        type of Arrow is that one. Asked after ``high_water`` and before ``prepare``.
        """
        ...

    def refused_rows(self, target: Target, slice_: Slice, reader: RecordReader, most: int) -> Sequence[RefusedRow]:
        """The rows, by position in ``reader``, without which ``write`` would take the slice; nothing becomes visible.

        Asked after ``prepare``. May end early, with more than ``most`` of them.
        """
        ...


@runtime_checkable
class KnowingSource(Protocol):
    """A source that knows the places of sinks of its kind, and so a unit that would be loaded into itself."""

    def is_kept_in(self, unit_id: str, places: frozenset[str]) -> bool:
        """Whether the rows of the unit are those of one of the ``places`` that a sink said."""
        ...


@runtime_checkable
class PlacedSink(Protocol):
    """A sink that says where the target's rows are, by what the system calls it and no name of people."""

    def places(self, target: Target) -> frozenset[str]:
        """Every way to say it; none while nothing is there. Asked before the fence, and changes nothing."""
        ...

    def elsewhere(self, target: Target) -> str:
        """What a source that is the target itself is told: what both are, and where the rows might go instead."""
        ...
