"""What dead processes staged in a bucket is swept, and nothing else: who lives is known by owner, else by age."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing

import pytest
from object_store_settings import environment
from s3_servers import S3Server, fresh_prefix, s3_server

from headrace.stagings import object_store
from headrace.stagings.object_store import ObjectStoreStaging
from headrace.stagings.object_store_owner import Owner, encoded, this_process
from headrace.testing.staging_suite import ROWS, context, read

pytestmark = pytest.mark.s3_server


@pytest.fixture
def server() -> S3Server:
    return s3_server()


@pytest.fixture
def prefix() -> str:
    return fresh_prefix()


@pytest.fixture
def provider(server: S3Server, prefix: str) -> ObjectStoreStaging:
    return ObjectStoreStaging(server.address(prefix))


_DIES_WHILE_STAGING = """
import os, sys
from headrace.stagings.object_store import ObjectStoreStaging
from headrace.testing.staging_suite import ROWS, context
session = ObjectStoreStaging().allocate_session(context(run_id=sys.argv[1]))
session.writer().write_batch(ROWS)
session.seal()
os.kill(os.getpid(), 9)
"""


def leave_behind(server: S3Server, prefix: str, run_id: str = "run-1") -> None:
    command = [sys.executable, "-c", _DIES_WHILE_STAGING, run_id]
    ended = subprocess.run(command, env={**os.environ, **environment(server, prefix)}, check=False)
    assert ended.returncode == -9


def test_what_a_killed_process_of_this_machine_staged_is_swept_at_once(
    provider: ObjectStoreStaging, server: S3Server, prefix: str
) -> None:
    leave_behind(server, prefix)

    sessions, size = provider.sweep(0, keep=[])

    assert (sessions, size > 0, server.keys(prefix)) == (1, True, [])


def test_sweeping_spares_the_runs_it_is_told_to_keep_and_what_is_young(
    provider: ObjectStoreStaging, server: S3Server, prefix: str
) -> None:
    leave_behind(server, prefix)

    assert provider.sweep(0, keep=["run-1"]) == (0, 0)
    assert provider.sweep(3600, keep=[]) == (0, 0)
    assert any(key.endswith("manifest.json") for key in server.keys(prefix))


@pytest.mark.parametrize(
    "owner", [b"no owner of ours", encoded(Owner("another-machine", this_process().pid, "1"))], ids=["unknown", "other"]
)
def test_a_young_session_that_may_live_on_another_machine_is_never_swept(
    provider: ObjectStoreStaging, server: S3Server, prefix: str, owner: bytes
) -> None:
    leave_behind(server, prefix)
    (place,) = [key for key in server.keys(prefix) if key.endswith("owner.json")]
    server.write(f"{prefix}/{place}", owner)

    assert provider.sweep(0, keep=[]) == (0, 0)
    assert len(server.keys(prefix)) == 3


def test_a_session_of_another_machine_that_outlived_its_lease_is_swept(
    provider: ObjectStoreStaging, server: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(server, prefix)
    (place,) = [key for key in server.keys(prefix) if key.endswith("owner.json")]
    server.write(f"{prefix}/{place}", encoded(Owner("another-machine", 1, "1")))
    monkeypatch.setattr(object_store, "LEASE_SECONDS", 0)

    assert provider.sweep(0, keep=[])[0] == 1
    assert server.keys(prefix) == []


def test_a_session_of_a_process_whose_number_another_has_now_is_swept(
    provider: ObjectStoreStaging, server: S3Server, prefix: str
) -> None:
    leave_behind(server, prefix)
    (place,) = [key for key in server.keys(prefix) if key.endswith("owner.json")]
    server.write(f"{prefix}/{place}", encoded(Owner(this_process().host, this_process().pid, "long ago")))

    assert provider.sweep(0, keep=[])[0] == 1


def test_a_session_of_a_process_that_lives_is_spared_however_old_it_is(
    provider: ObjectStoreStaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "LEASE_SECONDS", 0)
    with closing(provider.allocate_session(context())) as session:
        session.writer().write_batch(ROWS)

        assert provider.sweep(0, keep=[]) == (0, 0)
        assert read(session) == list(ROWS)


def test_what_a_sweep_that_was_killed_asked_the_time_with_is_swept(
    provider: ObjectStoreStaging, server: S3Server, prefix: str
) -> None:
    server.write(f"{prefix}/_clock-0123456789abcdef0123456789abcdef", b"")
    server.write(f"{prefix}/_clock-of-others", b"")

    provider.sweep(0, keep=[])

    assert server.keys(prefix) == ["_clock-of-others"]


def test_a_session_in_use_renews_what_others_go_by(
    provider: ObjectStoreStaging, server: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(provider.allocate_session(context())) as session:
        session.writer().write_batch(ROWS)
        session.seal()
        (place,) = [f"{prefix}/{key}" for key in server.keys(prefix) if key.endswith("owner.json")]
        server.write(place, b"taken for old")
        read(session)
        before = server.read(place)
        hours_later = time.monotonic() + 2 * 60 * 60
        monkeypatch.setattr(time, "monotonic", lambda: hours_later)
        read(session)

        assert (before, server.read(place)) == (b"taken for old", encoded(this_process()))


def test_sweeping_touches_nothing_that_staging_did_not_write(
    provider: ObjectStoreStaging, server: S3Server, prefix: str
) -> None:
    folder = "dev/run-1/0-0123456789abcdef0123456789abcdef"
    foreign = ["holiday.jpg", "dev/run-1/notes.txt", f"{folder}/notes.txt", f"{folder}/deeper/part-000000"]
    for key in foreign:
        server.write(f"{prefix}/{key}", b"mine")
    leave_behind(server, prefix)

    provider.sweep(0, keep=[])

    assert server.keys(prefix) == sorted(foreign)
