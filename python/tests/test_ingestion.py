"""``run_ingestion_unit`` called from plain Python, without a worker or a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from carrying import ids, rows, rows_parameters

from headrace.errors import ConfigInvalid, DataPlaneError, UnitNotFound
from headrace.ingestion import run_ingestion_unit
from headrace.stagings import STAGINGS, staging_provider
from headrace.testing.row_sink import place
from headrace.testing.staging_suite import context

UNIT = "local/shop/rows/lake"

STATS = {
    "exported_rows", "applied_rows", "rejected_rows", "filtered_rows", "deleted_rows", "exported_bytes",
    "applied_bytes", "slices",
    "duration_ms", "export_ms", "import_ms", "stagingProviderId", "dataEngine", "location", "delivery",
}  # fmt: skip
NOT_NUMBERS = {"stagingProviderId", "dataEngine", "location", "delivery"}

INCREMENTAL = {"mode": "incremental"}


@pytest.fixture(autouse=True)
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sessions on disk are. It is made by the first."""
    root = tmp_path / "staging"
    monkeypatch.setenv("HEADRACE_STAGING_DIR", str(root))
    return root


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The name of a sink that nobody else uses."""
    return str(tmp_path)


@pytest.fixture
def shop(configured: Any, store: str) -> Callable[..., None]:
    """Configures ``shop`` with so many rows and the sink ``lake``, either with further parameters."""

    def configure(count: int = 5, *, sink: dict[str, str] | None = None, **source: str) -> None:
        configured.configure("shop", "test.rows", {**rows_parameters(count), **source})
        configured.configure("lake", "test.rows", {"store": store, **(sink or {})})

    return configure


def test_a_run_answers_its_checkpoint_its_statistics_and_its_errors(shop: Any, store: str) -> None:
    """P16"""
    shop(5)

    result = run_ingestion_unit("shop", "lake", "rows", None, INCREMENTAL, "in_memory")

    assert set(result) == {"new_checkpoint", "stats", "errors"}
    assert (result["new_checkpoint"], result["errors"]) == ({"next": 5}, [])
    assert result["stats"].keys() == STATS
    assert all(type(result["stats"][key]) is int for key in STATS - NOT_NUMBERS)
    counted = {key: result["stats"][key] for key in ("exported_rows", "applied_rows", "rejected_rows", "slices")}
    assert counted == {"exported_rows": 5, "applied_rows": 5, "rejected_rows": 0, "slices": 3}
    assert (result["stats"]["location"], result["stats"]["delivery"]) == (f"memory:{UNIT}", {"class": "A"})
    assert (place(UNIT, store).rows, place(UNIT, store).fence > 0) == (rows(5), True)
    assert json.loads(json.dumps(result)) == result


def test_a_run_into_local_files_leaves_every_row_in_parquet(configured: Any, tmp_path: Path) -> None:
    """P16"""
    configured.configure("shop", "test.rows", rows_parameters(5))
    configured.configure("lake", "file.local", {"base_path": str(tmp_path / "lake")})

    result = run_ingestion_unit("shop", "lake", "rows", None, {"mode": "full"}, "local_disk")

    assert set(result) == {"new_checkpoint", "stats", "errors"}
    assert (result["new_checkpoint"], result["errors"]) == (None, [])
    assert result["stats"].keys() == STATS
    assert result["stats"]["delivery"]["class"] == "B"
    files = list((tmp_path / "lake").rglob("*.parquet"))
    found = ds.dataset(files, format="parquet").to_table().to_pylist()  # pyright: ignore[reportUnknownMemberType]
    assert sorted(found, key=lambda row: row["id"]) == rows(5)


def test_a_run_without_anything_new_is_a_success_of_zero_rows(shop: Any) -> None:
    """P16"""
    shop(5)

    result = run_ingestion_unit("shop", "lake", "rows", {"next": 5}, INCREMENTAL)

    assert (result["new_checkpoint"], result["errors"]) == ({"next": 5}, [])
    assert (result["stats"]["exported_rows"], result["stats"]["slices"]) == (0, 0)


def test_the_next_run_goes_on_from_what_the_sink_holds(shop: Any, store: str) -> None:
    """P16: whatever checkpoint the caller has kept."""
    shop(3)
    run_ingestion_unit("shop", "lake", "rows", None, INCREMENTAL)
    shop(5)

    result = run_ingestion_unit("shop", "lake", "rows", None, INCREMENTAL)

    assert (result["new_checkpoint"], result["stats"]["applied_rows"]) == ({"next": 5}, 2)
    assert ids(place(UNIT, store).rows) == [1, 2, 3, 4, 5]


def test_a_full_run_replaces_what_the_one_before_it_left(shop: Any, store: str) -> None:
    """P16"""
    shop(5)
    run_ingestion_unit("shop", "lake", "rows", None, {"mode": "full"})
    shop(2)

    run_ingestion_unit("shop", "lake", "rows", {"next": 1}, {"mode": "full"})

    assert place(UNIT, store).rows == rows(2)


def test_an_incremental_run_merges_on_the_key_of_the_source(shop: Any, store: str) -> None:
    """P16"""
    shop(2)
    run_ingestion_unit("shop", "lake", "rows", None, INCREMENTAL)
    shop(rows=json.dumps([*rows(2), {"id": 1, "name": "renamed"}]))

    run_ingestion_unit("shop", "lake", "rows", {"next": 2}, INCREMENTAL)

    assert place(UNIT, store).rows == [{"id": 1, "name": "renamed"}, rows(2)[1]]


# ---- refusing before anything is begun


UNKNOWN: dict[str, tuple[dict[str, Any], type[DataPlaneError], str | None]] = {
    "endpoint": ({"source_endpoint_id": "nobody"}, ConfigInvalid, "endpointId"),
    "sink": ({"sink_endpoint_id": "nobody"}, ConfigInvalid, "endpointId"),
    "sink, the endpoint only reads": ({"sink_endpoint_id": "wiki"}, ConfigInvalid, "templateId"),
    "unit": ({"unit_id": "rowz"}, UnitNotFound, None),
    "unit, the policy names the keys": ({"unit_id": "rowz", "policy": {"primaryKeys": ["id"]}}, UnitNotFound, None),
    "unit, without a sink": ({"unit_id": "rowz", "sink_endpoint_id": None}, UnitNotFound, None),
    "staging provider": ({"staging_provider_id": "kafka"}, ConfigInvalid, "stagingProviderId"),
    "staging provider, empty": ({"staging_provider_id": ""}, ConfigInvalid, "stagingProviderId"),
    "staging provider of the policy": (
        {"staging_provider_id": None, "policy": {"staging": {"provider": "kafka"}}}, ConfigInvalid, "stagingProviderId",
    ),
    "mode of the policy": ({"policy": {"mode": "sometimes"}}, ConfigInvalid, "policy.mode"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_is_unknown_raises_before_any_session_is_allocated(
    shop: Any, configured: Any, store: str, staging: Path, what: str
) -> None:
    """P16: nothing falls back to another, and the sink has not even been fenced."""
    shop(5)
    configured.configure("wiki", "test.records", {"records": "[]"})
    changes, kind, field = UNKNOWN[what]
    call = {
        "source_endpoint_id": "shop", "sink_endpoint_id": "lake", "unit_id": "rows", "checkpoint": None,
        "policy": {}, "staging_provider_id": "local_disk", **changes,
    }  # fmt: skip

    with pytest.raises(kind) as refusal:
        run_ingestion_unit(**call)

    stored = place(f"local/shop/{call['unit_id']}/lake", store)
    assert refusal.value.details.get("field") == field
    assert (staging.exists(), stored.fence, stored.rows) == (False, 0, [])


def test_a_disposition_the_unit_has_no_key_for_raises_before_the_sink_is_touched(shop: Any, store: str) -> None:
    """P16"""
    shop(0)

    with pytest.raises(ConfigInvalid, match="primaryKeys"):
        run_ingestion_unit("shop", "lake", "rows", None, {"writeDisposition": "merge"})

    assert place(UNIT, store).fence == 0


@pytest.mark.parametrize(
    ("argument", "policy", "expected"),
    [
        (None, {}, "in_memory"),
        (None, {"staging": {"provider": "local_disk"}}, "local_disk"),
        ("in_memory", {"staging": {"provider": "local_disk"}}, "in_memory"),
        ("local_disk", {}, "local_disk"),
    ],
    ids=["nothing said", "the policy says", "both say", "the caller says"],
)
def test_the_caller_chooses_the_staging_provider_before_the_policy_and_else_it_is_memory(
    shop: Any, staging: Path, argument: str | None, policy: Any, expected: str
) -> None:
    """P12"""
    shop(5)

    result = run_ingestion_unit("shop", "lake", "rows", None, policy, argument)

    assert result["stats"]["stagingProviderId"] == expected
    assert staging.exists() is (expected == "local_disk")


@pytest.mark.parametrize("provider_id", sorted(set(STAGINGS) - {"object_store"}))
def test_any_provider_stands_between_the_same_source_and_sink(shop: Any, store: str, provider_id: str) -> None:
    """P10, P11, P13: neither learns which it is, and the rows are sealed alike. One needs a server, elsewhere."""
    shop(5)

    run_ingestion_unit("shop", "lake", "rows", None, INCREMENTAL, provider_id)

    assert place(UNIT, store).rows == rows(5)
    slices = (rows(5)[:2], rows(5)[2:4], rows(5)[4:])
    assert [record.sha256 for record in place(UNIT, store).records.values()] == [_sealed(slice_) for slice_ in slices]


def _sealed(staged: list[dict[str, Any]]) -> str:
    with closing(staging_provider("in_memory").allocate_session(context())) as session:
        session.writer().write_batch(staged)
        return session.seal().sha256
