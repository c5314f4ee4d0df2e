"""Attempts at slots in a bucket that lose or die; and what is not there any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pyarrow as pa
import pytest
from carrying import rows_parameters
from local_files_kit import described, rows, target, write
from s3_lake import REPLACING, Lake
from s3_servers import fresh_prefix, s3_server

from headrace.endpoint import Target
from headrace.endpoints.sinks import s3_attempt
from headrace.errors import (
    CheckpointAheadOfSink,
    ConfigInvalid,
    DataPlaneError,
    SinkFenced,
)
from headrace.ingestion import run_ingestion_unit
from headrace.objects.bucket import Bucket

pytestmark = pytest.mark.s3_server


@pytest.fixture
def lake() -> Lake:
    return Lake()


def newer(disposition: Any = "replace") -> Target:
    return target(generation=2, disposition=disposition)


def test_of_two_attempts_at_one_slot_the_later_adopts_and_deletes_its_own_files(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(self: s3_attempt.ObjectAttempt, reader: Any, schema: pa.Schema, compression: str) -> int:
        written = real(self, reader, schema, compression)
        monkeypatch.setattr(s3_attempt.ObjectAttempt, "write", real)
        with closing(lake.sink()) as other:
            other.high_water(target(), 1)
            other.prepare(target(), described(rows()), {})
            write(other, target(), 0, rows(1))
        return written

    real = s3_attempt.ObjectAttempt.write
    with closing(lake.sink()) as slow:
        slow.high_water(target(), 1)
        slow.prepare(target(), described(rows()), {})
        monkeypatch.setattr(s3_attempt.ObjectAttempt, "write", overtaken)
        applied = write(slow, target(), 0, rows(1))

    assert applied.adopted
    assert lake.ids() == [1]
    assert len(lake.parts()) == 1


_DIES_BEFORE_THE_RECORD = """
import os, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
from local_files_kit import described, rows, target, write
from headrace.endpoints.sinks.s3 import S3Sink
from headrace.endpoints.sinks.s3_attempt import ObjectAttempt
import json
sink = S3Sink(json.loads(sys.argv[2]))
sink.high_water(target(), 1)
sink.prepare(target(), described(rows()), {})
ObjectAttempt.take = lambda self, record: os.kill(os.getpid(), 9)
write(sink, target(), 0, rows(1))
"""


def test_files_of_a_killed_attempt_are_seen_by_nobody_and_deleted_once_the_slot_is_taken(lake: Lake) -> None:
    here = os.path.dirname(__file__)
    paths = os.pathsep.join([here, os.path.dirname(os.path.dirname(here))])
    parameters = json.dumps(lake.server.parameters(lake.prefix))
    killed = subprocess.run([sys.executable, "-c", _DIES_BEFORE_THE_RECORD, paths, parameters], check=False)
    orphans = lake.parts()

    lake.land(target(), rows(1))
    seen = lake.ids()
    lake.land(target(), rows(2))

    assert (killed.returncode, len(orphans)) == (-9, 1)
    assert seen == [1]
    assert lake.ids() == [1, 2]
    assert orphans[0] not in lake.parts()
    assert len(lake.parts()) == 2


def test_files_in_a_slot_that_nobody_took_are_left_to_the_attempts_that_may_live(lake: Lake) -> None:
    lake.land(target(), rows(1))
    waiting = [f"gen=1/slice=000001/part-{letter * 32}-0.parquet" for letter in "ab"]
    for key in waiting:
        lake.write(key, b"on its way")

    with closing(lake.sink()) as sink:
        sink.high_water(target(), 1)

    assert set(waiting) < set(lake.listed())


def part_of(lake: Lake, seq: int) -> str:
    (part,) = [key for key in lake.parts() if f"slice={seq:06d}" in key]
    return part


HARMS: dict[str, tuple[Callable[[Lake], None], type[DataPlaneError], str]] = {
    "a slice in the middle is gone": (
        lambda lake: lake.delete("gen=1/slice=000000/_commit.json"),
        CheckpointAheadOfSink,
        "slice=000000",
    ),
    "the newest file is gone": (lambda lake: lake.delete(part_of(lake, 1)), CheckpointAheadOfSink, "is gone"),
    "the newest file is damaged": (lambda lake: lake.write(part_of(lake, 1), b"?"), CheckpointAheadOfSink, "damaged"),
    "a record is damaged": (
        lambda lake: lake.write("gen=1/slice=000001/_commit.json", b"?"),
        CheckpointAheadOfSink,
        "slice=000001",
    ),
    "what is current is damaged": (
        lambda lake: lake.write("_current.json", b"?"),
        CheckpointAheadOfSink,
        "_current.json",
    ),
    "the owner cannot be read": (lambda lake: lake.write("_unit.json", b"?"), ConfigInvalid, "_unit.json"),
    "it belongs to another unit": (
        lambda lake: lake.write("_unit.json", b'{"unit":"dev/other/public.orders/lake"}'),
        ConfigInvalid,
        "dev/other",
    ),
    "there are foreign objects": (lambda lake: lake.delete("_unit.json"), ConfigInvalid, "did not write"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_not_as_it_was_left_ends_the_run_and_says_what_to_do(lake: Lake, harm: str) -> None:
    lake.land(target(), rows(1), rows(2))
    do, kind, words = HARMS[harm]
    do(lake)

    with pytest.raises(kind, match=words) as refusal:
        lake.land(target(), rows(3))

    assert refusal.value.role == "sink"
    assert not any("slice=000002" in key for key in lake.listed())


def test_a_large_slice_becomes_several_files_of_bounded_size(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_attempt, "FILE_BYTES", 1_000_000)
    monkeypatch.setattr("headrace.endpoints.systems.files_encoding.ROW_GROUP_BYTES", 1_000_000)
    big = rows(*range(400_000))

    lake.land(target(), big)

    sizes = [len(lake.server.read(f"{lake.unit}/{key}")) for key in lake.parts()]
    assert len(sizes) > 1 and max(sizes) < 2_500_000
    assert lake.ids() == list(range(400_000))


def test_the_class_of_a_server_that_ignores_conditions_is_c_and_exactly_once_refuses_it(configured: Any) -> None:
    ignoring = Lake("ignores conditions")
    configured.configure("rows", "test.rows", rows_parameters(3))
    configured.configure("lake", "object.s3", ignoring.server.parameters(ignoring.prefix))

    with pytest.raises(ConfigInvalid, match="class C"):
        run_ingestion_unit("rows", "lake", "rows", None, {"require": "exactly-once"}, "in_memory")
    result = run_ingestion_unit("rows", "lake", "rows", None, {}, "in_memory")

    assert (result["errors"], result["stats"]["delivery"]["class"]) == ([], "C")


def test_two_that_create_one_slot_on_a_server_that_ignores_conditions_are_not_told_apart() -> None:
    """Why such a server is class C: between the look and the write another may write."""
    bucket = Bucket(s3_server("ignores conditions").address(fresh_prefix()), "sink")
    bucket.create("slot", b"one")

    bucket.create("slot", b"other")

    found = bucket.get("slot")
    assert found is not None and found[0] == b"other"


def test_a_replacement_that_goes_on_after_a_crash_leaves_what_it_replaces_to_readers(lake: Lake) -> None:
    lake.land(REPLACING, rows(1))
    lake.land(newer(), rows(2), epoch=2, complete=False)

    with closing(lake.sink()) as sink:
        high_water = sink.high_water(newer(), 3)
        before = lake.ids()
        sink.complete(newer(), {})

    assert high_water is not None and high_water.record.slice_seq == 0
    assert (before, lake.ids()) == ([1], [2])


def test_a_generation_that_is_opened_while_an_older_one_is_shown_is_not_forgotten(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(bucket: Bucket, key: str, content: bytes, etag: str) -> str:
        if not key.endswith("/_current.json"):
            return real(bucket, key, content, etag)
        monkeypatch.setattr(Bucket, "replace", real)
        lake.land(newer(), rows(2), epoch=2, complete=False)
        return real(bucket, key, content, etag)

    real = Bucket.replace
    lake.land(REPLACING, rows(1), complete=False)
    with closing(lake.sink()) as late:
        monkeypatch.setattr(Bucket, "replace", overtaken)

        with pytest.raises(SinkFenced):
            late.complete(REPLACING, {})

    assert lake.ids() == []


@pytest.mark.parametrize("hidden", [0, 1])
def test_a_listing_that_lags_behind_hides_no_slot(lake: Lake, monkeypatch: pytest.MonkeyPatch, hidden: int) -> None:
    lake.land(target(), rows(1), rows(2))
    real = Bucket.list
    monkeypatch.setattr(
        Bucket,
        "list",
        lambda bucket, folder: (each for each in real(bucket, folder) if f"slice={hidden:06d}" not in each.key),
    )

    with closing(lake.sink()) as sink:
        high_water = sink.high_water(target(), 1)

    assert high_water is not None and high_water.record.slice_seq == 1
