"""The contracts every endpoint implements: it describes itself, and reads or stores.

An endpoint is a class made from its parameters. Behaviour that a type cannot
say is in ``headrace.testing``; an endpoint is done when its suite passes. Every
error that leaves one is of ``headrace.errors``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from headrace.protocol import CommitRecord, Connection, ConnectionTest, Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.refusals import Sifted
from headrace.staging import NativeBlock, NativeFile, RecordReader, Row, Slice
from headrace.templates import EndpointDescriptor

if TYPE_CHECKING:
    import pyarrow as pa

Policy: TypeAlias = Mapping[str, Json]
"""Keys as clients write them; ``docs/INGESTION_AND_SINKS.md`` lists them."""

TestLevel: TypeAlias = Literal["connect", "read", "write"]
WriteDisposition: TypeAlias = Literal["replace", "append", "merge"]
Deletes: TypeAlias = Literal["ignore", "soft", "keyDiff"]

DEFAULT_PARALLEL_SLICES = 2
"""With a third being written, enough to keep two cores and a database busy; more mostly costs memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCapabilities:
    full: bool
    incremental: bool
    semantic: bool = False
    """Reads yield ``NormalizedRecord``s for the knowledge base (``read_records``)."""
    native_formats: tuple[str, ...] = ()
    replays: bool = False
    """Its rows are some that the sink was to have before, so a whole load in the sink is no reason to read none."""
    parallel_reads: int = 1
    """How many slices may be read at once, while further ones are drawn from the plan, each in a thread of its own."""
    deletes: tuple[Deletes, ...] = ("ignore",)
    """How it can say which rows are gone: by a column of its own, by comparing keys, or not at all."""
    filters: bool = False
    """It leaves out by itself what the policy's ``filter`` does not want. Of others it is left out after reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkCapabilities:
    delivery: Literal["A", "B", "C"]
    """A: rows and record in one transaction. B: a slot that can be taken once. C: rows may repeat."""
    dispositions: tuple[WriteDisposition, ...]
    native_formats: tuple[str, ...] = ()
    native_options: Mapping[str, Mapping[str, Json]] = field(default_factory=dict[str, Mapping[str, Json]])
    """By format: how the sink would have it written, such as ``{"parquet": {"compression": "zstd"}}``."""
    reading: Mapping[WriteDisposition, str] = field(default_factory=dict[WriteDisposition, str])
    """What readers must do where a disposition leaves more than a scan should see; shown in ``stats.delivery``."""
    tombstones: tuple[WriteDisposition, ...] = ()
    """Under which of them a row whose ``_headrace_op`` is 1 takes its key away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    name: str
    type: str
    """As the source names it, such as ``numeric(15,2)``."""
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A foreign key: ``columns`` of this unit point at ``target_columns`` of ``target_unit``."""

    columns: tuple[str, ...]
    target_unit: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSchema:
    """What is known of a unit's rows before they are read."""

    columns: tuple[Column, ...]
    arrow: pa.Schema
    primary_key: tuple[str, ...]
    cursor_candidates: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    estimated_rows: int | None = None
    table: str | None = None
    """What a table of its rows is called, where the unit's id is no name of one, such as the path of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a unit will be read. ``slices`` is drawn lazily, one after the other, in order of ``seq``.

    All slices and the upper bound come from one snapshot of the source.
    ``count`` is None when the number of slices is learnt while reading.
    """

    slices: Iterator[Slice]
    count: int | None
    estimated_rows: int | None
    strategy: str
    resumes: bool = True
    """False: a run that breaks off among the slices cannot be gone on with; the next one gets no checkpoint."""
    delivery: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """What the source weakens, such as ``{"deletes": "not captured"}``."""
    parallel_reads: int | None = None
    """How many of these slices may be read at once, where those are fewer than the source can."""


class DescribedEndpoint(Protocol):
    """Any endpoint: a class that says what it is."""

    @classmethod
    def descriptor(cls) -> EndpointDescriptor:
        """Static data: the same answer every time, without touching any system or driver."""
        ...

    @classmethod
    def build_connection(cls, parameters: Mapping[str, str]) -> Connection:
        """Url, config and labels. Touches no system.

        Raises:
            ConfigInvalid: A parameter is missing or malformed; the message and ``details["field"]`` name it.
        """
        ...

    @classmethod
    def test_connection(cls, parameters: Mapping[str, str], level: TestLevel | None = None) -> ConnectionTest:
        """Really connect, and report the first step that failed with what to do about it. Never raises."""
        ...


@runtime_checkable
class SourceEndpoint(Protocol):
    """Reads rows of one unit, in slices. Made from parameters: ``kind(parameters)`` parses, and touches no system."""

    def capabilities(self) -> SourceCapabilities: ...

    def list_units(self) -> Sequence[UnitDescriptor]: ...

    def describe(self, unit_id: str) -> DatasetSchema:
        """Columns, keys and estimates of a unit. Raises ``UnitNotFound``, naming near ones."""
        ...

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        """What the knowledge base should know of every unit; ``provenance.endpoint_id`` is left empty."""
        ...

    def preview(self, unit_id: str, limit: int) -> Preview: ...

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        """Divide what is new since ``checkpoint`` into slices numbered from ``next_seq``.

        With ``checkpoint`` None everything is new. Planning again from the last
        slice's ``to_checkpoint``, with no new data, yields no slices.
        A full read's last slice ends at None, unless the policy is incremental.
        """
        ...

    def read(
        self, unit_id: str, slice_: Slice, policy: Policy
    ) -> Iterator[pa.RecordBatch | Sifted] | Iterator[NativeBlock | NativeFile] | Iterator[Row | NormalizedRecord]:
        """Yield the slice's rows, under the plan's snapshot. Batches are small: at most 250 ms of work or 8 MiB.

        Slices are read ahead of the one being stored, in threads that change from slice to slice; never two
        at once, nor while the plan is asked for its next slice, unless ``parallel_reads`` says more than 1.
        Native blocks, or one native file, only of the format in ``policy["nativeFormat"]``, which the run adds when
        staging and sink take it; a file is written where ``policy["nativeFile"]`` says. Arrow is right in any case.
        Under a policy with ``quarantine`` a batch may be ``Sifted``; else a row that cannot be carried is raised.
        """
        ...

    def close(self) -> None:
        """Let go of connections and snapshots. Idempotent; from another thread it also ends a read in progress."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a unit lands in a sink. ``unit`` is the injective path of tenant, endpoint, unit and sink."""

    unit: str
    unit_id: str
    run_id: str
    generation: int
    disposition: WriteDisposition
    primary_key: tuple[str, ...]
    table: str | None = None
    """What the source calls a table of it; None: ``unit_id`` says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HighWater:
    """The last commit record of the target's generation, and its hash in canonical JSON."""

    record: CommitRecord
    hash: str
    is_pending: bool = False
    """The generation is to replace what readers see, and they do not see it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a commit did. ``adopted``: the slice was already there, and ``record`` is the one found."""

    rows: int
    bytes: int
    record: CommitRecord
    adopted: bool
    location: str


@runtime_checkable
class SinkEndpoint(Protocol):
    """Stores the slices of a unit. Calls come in this order: ``high_water``, ``prepare``, ``write``…, ``complete``."""

    def capabilities(self) -> SinkCapabilities: ...

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        """Install the fence, then answer the generation's highest commit record.

        Raises:
            SinkFenced: A newer epoch has been here.
            CheckpointAheadOfSink: What the records of this generation say was committed is not there any more.
        """
        ...

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        """Create or evolve the target, additively only. Under ``replace``, older generations stay readable or go here.

        Raises:
            SchemaChanged: The target cannot hold these rows without changing what it has.
        """
        ...

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        """Store rows and record atomically: all of it is visible, or none. The same slice again is adopted."""
        ...

    def complete(self, target: Target, policy: Policy) -> str:
        """Every slice there was is written: make a replacement visible. Idempotent. Returns the location."""
        ...

    def close(self) -> None:
        """Let go of connections. Idempotent; from another thread it also ends a call in progress.

        What such a call was about to commit is then committed wholly or not at
        all, and whoever owns the unit next learns which from ``high_water``.
        """
        ...
