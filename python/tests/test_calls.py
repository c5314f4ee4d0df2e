"""What the worker answers to calls that are no streams, asked as plain functions."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from headrace import calls
from headrace.endpoints import registry
from headrace.errors import Bug, ConfigInvalid, EndpointUnreachable, UnitNotFound
from headrace.protocol import (
    BuildConnection,
    EndpointRef,
    Family,
    ListTemplates,
    ListUnits,
    Preview,
    PreviewRequest,
    SweepStaging,
    Swept,
    TestConnection,
)
from headrace.stagings.local_disk import LocalDiskStaging
from headrace.testing.staging_suite import context

ROWS = EndpointRef(id="numbers", template_id="test.rows", parameters={"rows": '[{"id": 1}, {"id": 2}, {"id": 3}]'})


def previewed(unit_id: str = "rows", limit: int = 2) -> Preview:
    return calls.preview(PreviewRequest(endpoint=ROWS, unit_id=unit_id, limit=limit))


def test_templates_are_listed_by_family_and_no_family_is_all() -> None:
    """P5"""
    whole = calls.list_templates(ListTemplates(family=None))
    parts = [calls.list_templates(ListTemplates(family=family)) for family in get_args(Family)]

    assert [template.id for template in whole] == sorted(registry.endpoints())
    assert sorted(template.id for part in parts for template in part) == [template.id for template in whole]


def test_a_connection_is_built_by_its_template_and_a_missing_parameter_is_named() -> None:
    built = calls.build_connection(BuildConnection(template_id="test.records", parameters={"records": "[]"}))
    assert built.url == "test://records"

    with pytest.raises(ConfigInvalid, match="records") as refusal:
        calls.build_connection(BuildConnection(template_id="test.records", parameters={}))
    assert refusal.value.details == {"field": "records"}


def test_a_test_connection_says_whether_it_succeeded() -> None:
    assert calls.test_connection(TestConnection(template_id="test.rows", parameters={}, level="read")).success


def test_units_are_those_of_the_source() -> None:
    (unit,) = calls.list_units(ListUnits(endpoint=ROWS))

    assert (unit.unit_id, unit.modes, unit.estimated_rows) == ("rows", ["full", "incremental"], 3)


def test_a_preview_shows_as_many_rows_as_asked_for() -> None:
    """P2"""
    assert [row["id"] for row in previewed(limit=2).rows] == [1, 2]


def test_a_preview_of_huge_values_shows_the_beginning_of_each_and_fits_a_frame() -> None:
    huge = EndpointRef(
        id="huge",
        template_id="test.rows",
        parameters={"rows": json.dumps([{"id": n, "text": "é" * 2**20} for n in range(9)])},
    )

    shown = calls.preview(PreviewRequest(endpoint=huge, unit_id="rows", limit=9))

    assert [row["text"] for row in shown.rows] == ["é" * 10_000 + "…"] * 9
    assert [row["id"] for row in shown.rows] == list(range(9))


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_preview_of_no_row_or_of_more_than_200_is_refused_by_field(limit: int) -> None:
    with pytest.raises(ConfigInvalid, match="1 to 200") as refusal:
        previewed(limit=limit)

    assert refusal.value.details == {"field": "limit"}


def test_a_preview_of_an_unknown_unit_is_refused_with_the_units_there_are() -> None:
    with pytest.raises(UnitNotFound, match=r"'rowz'.*rows"):
        previewed(unit_id="rowz")


def test_a_failure_that_does_not_say_where_it_was_was_at_the_source() -> None:
    odd = EndpointRef(id="odd", template_id="test.odd", parameters={"doing": "fails", "password": "canary"})

    with pytest.raises(EndpointUnreachable) as failure:
        calls.preview(PreviewRequest(endpoint=odd, unit_id="odd", limit=1))

    assert failure.value.role == "source"


@pytest.mark.parametrize(
    "call",
    [
        lambda: calls.build_connection(BuildConnection(template_id="test.gone", parameters={})),
        lambda: calls.test_connection(TestConnection(template_id="test.gone", parameters={}, level=None)),
        lambda: calls.list_units(ListUnits(endpoint=msgspec.structs.replace(ROWS, template_id="test.gone"))),
    ],
    ids=["building", "testing", "listing"],
)
def test_an_unknown_template_is_refused_by_field(call: Any) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        call()

    assert refusal.value.details == {"field": "templateId"}


def test_sweeping_counts_what_every_provider_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P31"""
    monkeypatch.setenv("HEADRACE_STAGING_DIR", str(tmp_path))
    dead = tmp_path / "dev" / "run-1" / "0"
    dead.mkdir(parents=True, mode=0o700)
    (dead / "rows-0.part").write_bytes(b"12345")
    with closing(LocalDiskStaging(tmp_path).allocate_session(context())):
        kept = calls.sweep_staging(SweepStaging(older_than_seconds=0, keep=["run-1"]))
        swept = calls.sweep_staging(SweepStaging(older_than_seconds=0, keep=[]))

    assert (kept, swept) == (Swept(sessions=0, bytes=0), Swept(sessions=1, bytes=5))
    assert list(tmp_path.iterdir()) == []


def test_hello_is_answered_with_how_many_endpoints_there_are() -> None:
    assert calls.hello_answer().endpoints == len(registry.endpoints())


def test_a_payload_that_is_no_message_is_a_bug_that_names_the_message_and_the_place() -> None:
    with pytest.raises(Bug, match=r"no PreviewRequest of the protocol.*\$\.limit") as bug:
        calls.decoded({"endpoint": msgspec.to_builtins(ROWS), "unitId": "rows", "limit": "two"}, PreviewRequest)

    assert bug.value.details == {"message": "PreviewRequest"}
