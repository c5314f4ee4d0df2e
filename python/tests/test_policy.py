"""What a policy may say, what it means when it says nothing, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.endpoint import SinkCapabilities, WriteDisposition
from headrace.errors import ConfigInvalid
from headrace.policy import KEYS, KEYS_WITHIN, Quarantine, parse

WRONG: dict[str, list[Any]] = {
    "mode": ["Full", "", 1, ["full"]],
    "cursorField": ["", 1, ["updated_at"]],
    "lookback": ["", -1, True, {}],
    "primaryKeys": [[1], [""], {}, 1],
    "writeDisposition": ["upsert", "Merge", 0],
    "deletes": ["hard", True],
    "columns": [[None], [""], 3],
    "limit": [-1, 1.5, "10", True],
    "parameters": [[], "a=1"],
    "targetSliceSize": [0, -1, "500", 1.5, True],
    "sliceBytes": [0, "1 MiB"],
    "maxParallelSlices": [0],
    "batchBytes": [0],
    "staging": ["local_disk", []],
    "staging.provider": ["", 1],
    "staging.maxBytes": [0, "1 GiB", False],
    "schemaContract": ["strict"],
    "quarantine": [True, 5],
    "quarantine.maxRows": [-1, 0.5],
    "quarantine.maxRatio": [-0.1, 1.1, "1%", True, float("nan")],
    "nulls": ["drop"],
    "attempts": [0, -1, "3"],
    "onNewGeneration": ["rewrite"],
    "require": ["at-least-once", True],
    "dataEngine": ["spark", "Local"],
    "limits": [7],
    "limits.memoryBytes": [0, "1g"],
    "limits.rowBytes": [0],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values], ids=repr
)
def test_a_wrong_value_is_refused_by_the_name_of_its_key(key: str, value: Any) -> None:
    outer, _, inner = key.partition(".")

    with pytest.raises(ConfigInvalid, match=key.replace(".", r"\.")) as refusal:
        parse({outer: {inner: value} if inner else value})

    assert refusal.value.details == {"field": f"policy.{key}"}
    assert refusal.value.retry == "AfterFix"


@pytest.mark.parametrize("key", KEYS)
def test_null_is_the_same_as_saying_nothing(key: str) -> None:
    assert parse({key: None}) == parse({})


@pytest.mark.parametrize("key", [f"{outer}.{inner}" for outer, keys in KEYS_WITHIN.items() for inner in keys])
def test_null_inside_an_object_is_the_same_as_saying_nothing_there(key: str) -> None:
    outer, _, inner = key.partition(".")

    assert parse({outer: {inner: None}}) == parse({outer: {}})


@pytest.mark.parametrize(
    ("policy", "unknown", "near"),
    [
        ({"writeDispostion": "merge"}, "writeDispostion", "writeDisposition"),
        ({"staging": {"maxbytes": 1}}, "staging.maxbytes", "staging.maxBytes"),
        ({"quarantine": {"maxRow": 1}}, "quarantine.maxRow", "quarantine.maxRows"),
        ({"limits": {"memorybytes": 1}}, "limits.memorybytes", "limits.memoryBytes"),
    ],
    ids=["at the top", "in staging", "in quarantine", "in limits"],
)
def test_an_unknown_key_is_a_warning_with_the_nearest_known_one(policy: Any, unknown: str, near: str) -> None:
    (warning,) = parse(policy).warnings

    assert repr(unknown) in warning
    assert repr(near) in warning


def test_a_key_like_no_other_is_a_warning_without_a_guess() -> None:
    (warning,) = parse({"zzz": 1}).warnings

    assert "Did you mean" not in warning


def test_every_known_key_passes_without_a_warning() -> None:
    whole = {
        "mode": "incremental", "cursorField": "updated_at", "lookback": 60, "primaryKeys": "id",
        "writeDisposition": "merge", "deletes": "soft", "deletedField": "gone", "columns": ["id"],
        "filter": {"isNull": "note"}, "limit": 0,
        "parameters": {"a": 1}, "targetSliceSize": 500, "sliceBytes": 1, "maxParallelSlices": 2, "batchBytes": 1,
        "staging": {"provider": "local_disk", "maxBytes": 1}, "schemaContract": "freeze",
        "quarantine": {"maxRows": 0, "maxRatio": 1}, "nulls": "ignore", "attempts": 3, "onNewGeneration": "merge",
        "require": "exactly-once", "dataEngine": "local", "limits": {"memoryBytes": 1, "rowBytes": 1},
    }  # fmt: skip

    parsed = parse(whole)

    assert set(whole) == set(KEYS)
    assert parsed.warnings == ()
    assert (parsed.primary_keys, parsed.lookback, parsed.limit) == (("id",), "60", 0)
    assert (parsed.staging_provider, parsed.staging_max_bytes, parsed.slice_rows) == ("local_disk", 1, 500)
    assert (parsed.require_exactly_once, parsed.quarantine) == (True, Quarantine(max_rows=0, max_ratio=1.0))


@pytest.mark.parametrize(
    ("policy", "mode"),
    [({}, "full"), ({"cursorField": "updated_at"}, "incremental"), ({"cursorField": "id", "mode": "full"}, "full")],
    ids=["nothing said", "a cursor is named", "a cursor is named and everything asked for"],
)
def test_a_cursor_makes_a_unit_incremental_unless_the_policy_says_full(policy: Any, mode: str) -> None:
    assert parse(policy).mode == mode


ALL: tuple[WriteDisposition, ...] = ("replace", "append", "merge")


@pytest.mark.parametrize(
    ("policy", "source_key", "can", "expected"),
    [
        ({}, (), ALL, "replace"),
        ({}, ("id",), ALL, "replace"),
        ({"primaryKeys": ["id"]}, (), ALL, "merge"),
        ({"primaryKeys": ["id"]}, (), ("replace", "append"), "replace"),
        ({"mode": "incremental"}, (), ALL, "append"),
        ({"mode": "incremental"}, ("id",), ALL, "merge"),
        ({"mode": "incremental"}, ("id",), ("append",), "append"),
        ({"mode": "incremental", "primaryKeys": ["id"]}, (), ALL, "merge"),
        ({"mode": "incremental", "writeDisposition": "append"}, ("id",), ALL, "append"),
        ({"mode": "incremental", "writeDisposition": "append", "primaryKeys": ["id"]}, (), ("append",), "append"),
        ({"writeDisposition": "merge"}, ("id",), ALL, "merge"),
    ],
)
def test_rows_land_as_the_policy_says_or_else_as_reading_again_allows(
    policy: Any, source_key: tuple[str, ...], can: tuple[WriteDisposition, ...], expected: str
) -> None:
    sink = SinkCapabilities(delivery="A", dispositions=can)

    assert parse(policy).disposition(sink, source_key) == expected


@pytest.mark.parametrize(
    ("policy", "can", "field"),
    [
        ({"writeDisposition": "merge"}, ALL, "policy.primaryKeys"),
        ({"writeDisposition": "merge", "primaryKeys": ["id"]}, ("append",), "policy.writeDisposition"),
        ({"writeDisposition": "replace"}, ("append", "merge"), "policy.writeDisposition"),
        ({"mode": "incremental", "primaryKeys": ["id"]}, ("replace", "append"), "policy.primaryKeys"),
    ],
    ids=[
        "merging without a key",
        "merging where nothing merges",
        "replacing where nothing replaces",
        "naming keys where nothing merges",
    ],
)
def test_a_disposition_that_cannot_be_kept_is_refused(
    policy: Any, can: tuple[WriteDisposition, ...], field: str
) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        parse(policy).disposition(SinkCapabilities(delivery="A", dispositions=can), ())

    assert refusal.value.details == {"field": field}


def test_merging_without_a_key_is_refused_with_the_setting_that_names_one() -> None:
    with pytest.raises(ConfigInvalid, match="the source names none: say its columns in primaryKeys"):
        parse({"writeDisposition": "merge"}).disposition(SinkCapabilities(delivery="A", dispositions=ALL), ())


@pytest.mark.parametrize(
    ("policy", "key", "allowed"),
    [
        ({"maxParallelSlices": -1}, "maxParallelSlices", "from 1 to 64"),
        ({"maxParallelSlices": 65}, "maxParallelSlices", "from 1 to 64"),
        ({"maxParallelSlices": True}, "maxParallelSlices", "from 1 to 64"),
        ({"attempts": 101}, "attempts", "from 1 to 100"),
        ({"targetSliceSize": 0}, "targetSliceSize", "from 1 to 999999999999999"),
        ({"sliceBytes": 10**15}, "sliceBytes", "from 1 to 999999999999999"),
        ({"batchBytes": 0.5}, "batchBytes", "from 1 to 999999999999999"),
        ({"limit": -3}, "limit", "from 0 to 999999999999999"),
        ({"staging": {"maxBytes": "many"}}, "staging.maxBytes", "from 1 to 999999999999999"),
        ({"limits": {"rowBytes": [1] * 1000}}, "limits.rowBytes", "from 1 to 999999999999999"),
        ({"quarantine": {"maxRows": -1}}, "quarantine.maxRows", "from 0 to 999999999999999"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_key_and_range(policy: Any, key: str, allowed: str) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        parse(policy)

    assert refusal.value.details == {"field": f"policy.{key}"}
    assert f"policy's {key} is wrong: a whole number {allowed} is expected, not " in str(refusal.value)
    assert len(str(refusal.value)) < 200


def test_nothing_is_set_aside_unless_the_policy_allows_it() -> None:
    assert parse({}).quarantine == Quarantine(max_rows=0, max_ratio=0.0)
    assert parse({"quarantine": {}}).quarantine == Quarantine(max_rows=1000, max_ratio=0.001)


def test_rows_that_are_said_are_set_aside_from_however_small_a_table() -> None:
    assert parse({"quarantine": {"maxRows": 100}}).quarantine.holds(3, 3)
    assert parse({"quarantine": {"maxRows": 100, "maxRatio": None}}).quarantine.holds(3, 3)
    assert not parse({"quarantine": {"maxRows": 100, "maxRatio": 0.5}}).quarantine.holds(3, 3)


@pytest.mark.parametrize(
    ("rejected", "read", "holds"),
    [(0, 0, True), (2, 4, True), (3, 6, False), (2, 3, False), (1, 1, False)],
    ids=["none", "at both limits", "more rows than allowed", "a greater part than allowed", "all there is"],
)
def test_quarantine_holds_no_more_than_either_limit(rejected: int, read: int, holds: bool) -> None:
    assert Quarantine(max_rows=2, max_ratio=0.5).holds(rejected, read) is holds


@pytest.mark.parametrize("percent", range(1, 100))
def test_a_part_that_is_reached_exactly_is_within_the_limit_and_one_row_more_is_not(percent: int) -> None:
    limits = parse({"quarantine": {"maxRows": 1000, "maxRatio": percent / 100}}).quarantine

    assert [limits.holds(rejected, 100) for rejected in (percent, percent + 1)] == [True, False]
