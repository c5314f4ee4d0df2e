"""No value changes between any source and any sink, however staged: it arrives, or its column is refused by name."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from fidelity.carrying_types import Carried, Outcome, carried
from fidelity.contract import Origin
from fidelity.matrix import NATIVE, ORIGINS, PLACES, record, recorded
from fidelity.postgres_tables import AsArrowOrigin

from headrace.staging import StagingProvider
from headrace.stagings import STAGINGS
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.local_disk import LocalDiskStaging

PAIRS = list(itertools.product(ORIGINS, PLACES))
OTHER_STAGINGS: Mapping[str, Callable[[Path], StagingProvider]] = {"local_disk": LocalDiskStaging}
"""Beside ``in_memory``, which every pair is tried with first."""


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], Origin]], Origin]:
    """Each is made once."""
    return functools.cache(lambda make: make(tmp_path_factory.mktemp("origin") / "o"))


@pytest.fixture
def carry(origins: Callable[[Callable[[Path], Origin]], Origin], tmp_path: Path) -> Callable[..., Carried]:
    count = itertools.count()

    def carry_all(
        make: Callable[[Path], Origin],
        place: str,
        staging: StagingProvider,
        without: Mapping[str, Outcome] | None = None,
    ) -> Carried:
        places = lambda: PLACES[place](tmp_path / f"place-{next(count)}")  # noqa: E731
        return carried(origins(make), places, staging, without or {})

    return carry_all


@pytest.mark.parametrize(("origin", "place"), PAIRS, ids=map(" to ".join, PAIRS))
def test_every_value_arrives_or_is_refused_as_the_page_says(
    carry: Callable[..., Carried], origin: str, place: str
) -> None:
    found = carry(ORIGINS[origin], place, InMemoryStaging())

    assert found.changed == {}
    if os.environ.get("RECORD_TYPES"):
        record(origin, place, found.outcomes)
    assert found.outcomes == recorded()[origin, place]


@pytest.mark.parametrize("staging", OTHER_STAGINGS)
@pytest.mark.parametrize(("origin", "place"), PAIRS, ids=map(" to ".join, PAIRS))
def test_what_arrives_is_the_same_through_every_staging(
    carry: Callable[..., Carried], origin: str, place: str, staging: str, tmp_path: Path
) -> None:
    arriving, refused = _parted(recorded()[origin, place])

    found = carry(ORIGINS[origin], place, OTHER_STAGINGS[staging](tmp_path / "staging"), refused)

    assert found.changed == {}
    assert found.outcomes == arriving


@pytest.mark.parametrize(
    ("place", "writers"),
    [
        ("file.local", {"parquet-cpp-arrow"}),
        ("warehouse.iceberg", {"parquet-cpp-arrow"}),
        ("jdbc.postgres", set[str]()),
    ],
)
def test_what_a_table_sends_as_arrow_arrives_unchanged(
    carry: Callable[..., Carried], place: str, writers: set[str]
) -> None:
    """Whatever other way there is, and whatever its types."""
    _, refused = _parted(recorded()["jdbc.postgres", place])

    found = carry(lambda _: AsArrowOrigin.made(), place, InMemoryStaging(), refused)

    assert found.changed == {}
    assert {outcome.how for outcome in found.outcomes.values()} == {"exact", "widened", "as text"}
    assert found.place.writers() == writers


@pytest.mark.parametrize("staging", ["in_memory", *OTHER_STAGINGS])
@pytest.mark.parametrize(("origin", "place"), NATIVE, ids=map(" to ".join, NATIVE))
def test_a_native_way_brings_what_arrow_brings(
    carry: Callable[..., Carried], origin: str, place: str, staging: str, tmp_path: Path
) -> None:
    make, writer = NATIVE[origin, place]
    provider = InMemoryStaging() if staging == "in_memory" else OTHER_STAGINGS[staging](tmp_path / "staging")

    found = carry(make, place, provider)

    assert found.changed == {}
    assert found.outcomes.items() <= recorded()[origin, place].items()
    assert found.place.writers() == {writer}


def test_no_staging_provider_is_left_out() -> None:
    """``test_matrix_of_a_bucket`` has the one that needs a server."""
    assert {"in_memory", *OTHER_STAGINGS, "object_store"} == set(STAGINGS)


def _parted(outcomes: Mapping[str, Outcome]) -> tuple[Mapping[str, Outcome], Mapping[str, Outcome]]:
    """Those that arrive and those that are refused."""
    refused = {name: each for name, each in outcomes.items() if each.how == "refused"}
    return {name: each for name, each in outcomes.items() if name not in refused}, refused
