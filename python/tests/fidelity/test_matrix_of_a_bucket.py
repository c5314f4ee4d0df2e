"""Objects of a bucket, as source, sink and staging, bring what files bring."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from fidelity.carrying_types import Carried, Outcome, carried
from fidelity.contract import Origin, Place
from fidelity.matrix import NATIVE, ORIGINS, ORIGINS_IN_A_BUCKET, PLACES, recorded
from fidelity.s3_objects import BucketPlace
from object_store_settings import environment
from s3_servers import fresh_prefix, s3_server

from headrace.staging import StagingProvider
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.object_store import ObjectStoreStaging

pytestmark = pytest.mark.s3_server

Carry = Callable[[Callable[[Path], Origin], Callable[[Path], Place], StagingProvider, str, str], Carried]


@pytest.fixture
def carry(tmp_path: Path) -> Carry:
    """What arrives of the columns that are recorded as arriving."""
    count = itertools.count()

    def carry_all(
        make: Callable[[Path], Origin],
        where: Callable[[Path], Place],
        staging: StagingProvider,
        origin: str,
        place: str,
    ) -> Carried:
        refused = [name for name, outcome in recorded()[origin, place].items() if outcome.how == "refused"]
        return carried(make(tmp_path / "origin"), lambda: where(tmp_path / str(next(count))), staging, refused)

    return carry_all


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> StagingProvider:
    for name, value in environment(s3_server(), fresh_prefix()).items():
        monkeypatch.setenv(name, value)
    return ObjectStoreStaging()


def arriving(origin: str, place: str) -> Mapping[str, Outcome]:
    return {name: outcome for name, outcome in recorded()[origin, place].items() if outcome.how != "refused"}


@pytest.mark.parametrize("origin", ORIGINS)
def test_objects_hold_what_files_hold(carry: Carry, origin: str) -> None:
    found = carry(ORIGINS[origin], BucketPlace, InMemoryStaging(), origin, "file.local")

    assert found.changed == {}
    assert found.outcomes == arriving(origin, "file.local")


def test_objects_that_duckdb_wrote_hold_what_files_hold(carry: Carry) -> None:
    make, writer = NATIVE["jdbc.postgres", "file.local"]

    found = carry(make, BucketPlace, InMemoryStaging(), "jdbc.postgres", "file.local")

    assert (found.changed, found.place.writers()) == ({}, {writer})
    assert found.outcomes.items() <= arriving("jdbc.postgres", "file.local").items()


@pytest.mark.parametrize("origin", ORIGINS_IN_A_BUCKET)
@pytest.mark.parametrize("place", PLACES)
def test_objects_are_read_as_files_are(carry: Carry, origin: str, place: str) -> None:
    found = carry(ORIGINS_IN_A_BUCKET[origin], PLACES[place], InMemoryStaging(), origin, place)

    assert found.changed == {}
    assert found.outcomes == arriving(origin, place)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_staged_in_a_bucket_arrives_as_recorded(
    carry: Carry, object_store: StagingProvider, origin: str, place: str
) -> None:
    found = carry(ORIGINS[origin], PLACES[place], object_store, origin, place)

    assert found.changed == {}
    assert found.outcomes == arriving(origin, place)
