"""The policy of a run: parsed once, so that what follows is total.

Clients write the keys as they stand in ``docs/INGESTION_AND_SINKS.md``; each has
one spelling. A known key with a wrong value is refused by name. An unknown key
is a warning, because older configurations hold others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

from headrace import filters
from headrace.endpoint import DEFAULT_PARALLEL_SLICES, Deletes, SinkCapabilities, WriteDisposition
from headrace.errors import ConfigInvalid
from headrace.filters import Filter
from headrace.protocol import Json
from headrace.staging import DEFAULT_BATCH_BYTES, DEFAULT_MAX_BYTES
from headrace.suggestions import nearest

Mode: TypeAlias = Literal["full", "incremental"]
SchemaContract: TypeAlias = Literal["evolve", "freeze", "discard_row", "discard_value"]
NullCursors: TypeAlias = Literal["once", "quarantine", "ignore"]

_Value = TypeVar("_Value")

MOST_PARALLEL_SLICES = 64
MOST_ATTEMPTS = 100
LARGEST = 999_999_999_999_999
"""Of any other number: what every part of Headrace, and JSON between them, keeps exact."""

_ROW_BYTES = 16 * 1024 * 1024
"""What a row may weigh where the policy names no bound and rows are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """How many rows of a run may be set aside before it fails. None at all unless the policy allows it."""

    max_rows: int = 0
    max_ratio: float = 0.0

    def holds(self, rejected: int, read: int) -> bool:
        """Whether ``rejected`` of ``read`` rows are within both limits."""
        return rejected == 0 or (rejected <= self.max_rows and self.holds_part(rejected, read))

    def holds_part(self, rejected: int, read: int) -> bool:
        """By the decimal that was written: as a binary number 0.29 of 100 is less than 29."""
        return rejected <= Fraction(str(self.max_ratio)) * read


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPolicy:
    mode: Mode
    cursor_field: str | None = None
    lookback: str | None = None
    """How far to read behind the cursor, in the words of whoever said so."""
    primary_keys: tuple[str, ...] = ()
    write_disposition: WriteDisposition | None = None
    deletes: Deletes = "ignore"
    deleted_field: str | None = None
    columns: tuple[str, ...] | None = None
    filter: Filter | None = None
    limit: int | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict[str, Json])
    slice_rows: int | None = None
    slice_bytes: int | None = None
    """A slice ends at the first of the two it reaches; None: as the source has it."""
    max_parallel_slices: int = DEFAULT_PARALLEL_SLICES
    batch_bytes: int = DEFAULT_BATCH_BYTES
    staging_provider: str | None = None
    staging_max_bytes: int = DEFAULT_MAX_BYTES
    schema_contract: SchemaContract = "evolve"
    quarantine: Quarantine = Quarantine()
    nulls: NullCursors = "once"
    attempts: int = 1
    on_new_generation: WriteDisposition | None = None
    require_exactly_once: bool = False
    data_engine: Literal["local"] = "local"
    memory_bytes: int | None = None
    row_bytes: int | None = None
    warnings: tuple[str, ...] = ()
    """One sentence for each key nobody knows."""

    @property
    def sets_aside(self) -> bool:
        """Whether a row that cannot be carried may be left behind, with its reason."""
        return self.quarantine.max_rows > 0 and self.quarantine.max_ratio > 0

    @property
    def discards(self) -> bool:
        """Whether the schema there is decides what becomes of rows, rather than the rows what becomes of the schema."""
        return self.schema_contract in ("discard_row", "discard_value")

    @property
    def looks_at_rows(self) -> bool:
        """Whether some step has to see values, so that nothing may pass in a format of its own."""
        return self.sets_aside or self.discards or self.row_bytes is not None

    @property
    def most_row_bytes(self) -> int | None:
        """What a row may weigh; None where nobody looks."""
        return self.row_bytes or (_ROW_BYTES if self.looks_at_rows else None)

    def disposition(self, sink: SinkCapabilities, source_key: tuple[str, ...]) -> WriteDisposition:
        """How rows land. Unsaid: merge where a key is known and rows may come again, else replace or append.

        A full read replaces unless the policy itself names the keys; an
        incremental one merges on the source's key too. Where the sink cannot merge,
        keys that the policy names are no reason to append: every change of a row
        would be there beside it.

        Raises:
            ConfigInvalid: The sink cannot do what the policy asks.
        """
        chosen = self._chosen(sink, source_key)
        if self.lookback is not None and chosen != "merge":
            raise _invalid(
                "lookback",
                f"rows that are read again would be there twice where writeDisposition is {chosen}. "
                "Set writeDisposition to merge, or remove lookback",
            )
        return chosen

    def _chosen(self, sink: SinkCapabilities, source_key: tuple[str, ...]) -> WriteDisposition:
        asked = self.write_disposition
        if asked is None:
            key = self.primary_keys or (source_key if self.mode == "incremental" else ())
            fallback: WriteDisposition = "replace" if self.mode == "full" else "append"
            if key and "merge" in sink.dispositions:
                return "merge"
            if self.primary_keys and fallback == "append":
                raise _invalid(
                    "primaryKeys",
                    "naming them asks to merge, which this sink cannot do. Set writeDisposition to append, "
                    "which keeps every version of a row, or choose a sink that merges",
                )
            return fallback
        if asked not in sink.dispositions:
            raise _invalid("writeDisposition", f"this sink cannot {asked}; it can {' or '.join(sink.dispositions)}")
        if asked == "merge" and not (self.primary_keys or source_key):
            raise _invalid(
                "primaryKeys", "merging needs a key, and the source names none: say its columns in primaryKeys"
            )
        return asked


def parse(raw: Mapping[str, Json]) -> RunPolicy:
    """Read a policy.

    Raises:
        ConfigInvalid: A value is none its key may have; ``details["field"]`` names it.
    """
    staging = _mapping(raw, "staging")
    limits = _mapping(raw, "limits")
    cursor = _optional(raw, "cursorField", _text)
    contract = _value(raw, "schemaContract", _one_of(SchemaContract), "evolve")
    return RunPolicy(
        mode=_value(raw, "mode", _one_of(Mode), "incremental" if cursor else "full"),
        cursor_field=cursor,
        lookback=_optional(raw, "lookback", _length),
        primary_keys=_value(raw, "primaryKeys", _texts, ()),
        write_disposition=_optional(raw, "writeDisposition", _one_of(WriteDisposition)),
        deletes=_value(raw, "deletes", _one_of(Deletes), "ignore"),
        deleted_field=_optional(raw, "deletedField", _text),
        columns=_optional(raw, "columns", _texts),
        filter=filters.parse(raw.get("filter")),
        limit=_optional(raw, "limit", _natural),
        parameters=_mapping(raw, "parameters"),
        slice_rows=_optional(raw, "targetSliceSize", _positive),
        slice_bytes=_optional(raw, "sliceBytes", _positive),
        max_parallel_slices=_value(raw, "maxParallelSlices", _whole(1, MOST_PARALLEL_SLICES), DEFAULT_PARALLEL_SLICES),
        batch_bytes=_value(raw, "batchBytes", _positive, DEFAULT_BATCH_BYTES),
        staging_provider=_optional(staging, "staging.provider", _text),
        staging_max_bytes=_value(staging, "staging.maxBytes", _positive, DEFAULT_MAX_BYTES),
        schema_contract=contract,
        quarantine=_quarantine(raw, contract),
        nulls=_value(raw, "nulls", _one_of(NullCursors), "once"),
        attempts=_value(raw, "attempts", _whole(1, MOST_ATTEMPTS), 1),
        on_new_generation=_optional(raw, "onNewGeneration", _one_of(WriteDisposition)),
        require_exactly_once=_value(raw, "require", _one_of(Literal["exactly-once"]), None) is not None,
        data_engine=_value(raw, "dataEngine", _one_of(Literal["local"]), "local"),
        memory_bytes=_optional(limits, "limits.memoryBytes", _positive),
        row_bytes=_optional(limits, "limits.rowBytes", _positive),
        warnings=tuple(_unknown(raw)),
    )


KEYS = (
    "mode", "cursorField", "lookback", "primaryKeys", "writeDisposition", "deletes", "deletedField", "columns",
    "filter", "limit", "parameters", "targetSliceSize", "sliceBytes", "maxParallelSlices", "batchBytes", "staging",
    "schemaContract", "quarantine", "nulls", "attempts", "onNewGeneration", "require", "dataEngine", "limits",
)  # fmt: skip
KEYS_WITHIN: Mapping[str, tuple[str, ...]] = {
    "staging": ("provider", "maxBytes"),
    "quarantine": ("maxRows", "maxRatio"),
    "limits": ("memoryBytes", "rowBytes"),
}


def _unknown(raw: Mapping[str, Json]) -> Iterator[str]:
    yield from _unknown_of(raw, KEYS, "")
    for outer, known in KEYS_WITHIN.items():
        yield from _unknown_of(_mapping(raw, outer), known, f"{outer}.")


def _unknown_of(raw: Mapping[str, Json], known: Sequence[str], prefix: str) -> Iterator[str]:
    for key in raw:
        if key not in known:
            hint = "".join(f" Did you mean {prefix + near!r}?" for near in nearest(key, known, most=1))
            yield f"The policy key {prefix + key!r} means nothing here and is ignored.{hint}"


def _quarantine(raw: Mapping[str, Json], contract: SchemaContract) -> Quarantine:
    """A contract that discards rows sets them aside too, within the limits that ``quarantine`` has unsaid.

    Who says how many rows may go has said the limit: an unsaid ratio would be a lower one in a small table.
    """
    said = _mapping(raw, "quarantine")
    if raw.get("quarantine") is None and contract != "discard_row":
        return Quarantine()
    return Quarantine(
        max_rows=_value(said, "quarantine.maxRows", _natural, 1000),
        max_ratio=_value(said, "quarantine.maxRatio", _ratio, 0.001 if said.get("maxRows") is None else 1.0),
    )


def _value(raw: Mapping[str, Json], name: str, read: Callable[[str, Json], _Value], default: Any) -> Any:
    value = raw.get(name.rpartition(".")[2])
    return default if value is None else read(name, value)


def _optional(raw: Mapping[str, Json], name: str, read: Callable[[str, Json], _Value]) -> _Value | None:
    return _value(raw, name, read, None)


def _mapping(raw: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = raw.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _invalid(name, "an object is expected")
    return cast("Mapping[str, Json]", value)


def _text(name: str, value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise _invalid(name, "text is expected")
    return value


def _texts(name: str, value: Json) -> tuple[str, ...]:
    values = cast("list[Json]", value) if isinstance(value, list) else [value]
    return tuple(_text(name, each) for each in values)


def _whole(least: int, most: int) -> Callable[[str, Json], int]:
    def read(name: str, value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _invalid(name, f"a whole number from {least} to {most} is expected, not {_shortened(value)}")
        return value

    return read


_natural, _positive = _whole(0, LARGEST), _whole(1, LARGEST)


def _shortened(value: Json) -> str:
    """As it was said, but for its end when that is far away."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _ratio(name: str, value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _invalid(name, f"a number from 0 to 1 is expected, not {value!r}")
    return float(value)


def _length(name: str, value: Json) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return str(value)
    return _text(name, value)


def _one_of(kind: Any) -> Callable[[str, Json], Any]:
    allowed = get_args(kind)

    def read(name: str, value: Json) -> Any:
        if value not in allowed:
            raise _invalid(name, f"{value!r} is none of {', '.join(map(repr, allowed))}")
        return value

    return read


def _invalid(name: str, why: str) -> ConfigInvalid:
    return ConfigInvalid(f"The policy's {name} is wrong: {why}.", details={"field": f"policy.{name}"})
