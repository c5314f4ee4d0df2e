"""The statistics of a run: flat, whole numbers, and only what was committed counts as applied."""

from __future__ import annotations

import json
from typing import Any

from headrace.events import RejectedRow
from headrace.exporting import Exported
from headrace.staging import Seal
from headrace.tally import SAMPLES, Tally


def exported(rows: int, rejected: int = 0) -> Exported:
    seal = Seal(rows=rows, bytes=rows * 10, sha256="")
    set_aside = [
        RejectedRow(position=n, code="CONSTRAINT", reason=f"reason {n}", column="id", sha256="", payload="canary")
        for n in range(rejected)
    ]
    return Exported(seal=seal, read=rows + rejected, rejected=set_aside, filtered=0, duration_ms=7)


def numbers(tally: Tally) -> dict[str, Any]:
    return {key: value for key, value in tally.stats({}).items() if isinstance(value, int)}


def test_a_run_of_nothing_is_all_zeros_and_has_no_rejected() -> None:
    tally = Tally("in_memory", "local")

    stats = tally.stats({"class": "A"})

    assert all(value == 0 for key, value in numbers(tally).items() if key != "duration_ms")
    assert (stats["stagingProviderId"], stats["dataEngine"], stats["location"]) == ("in_memory", "local", None)
    assert stats["delivery"] == {"class": "A"}
    assert "rejected" not in stats


def test_what_was_read_counts_at_once_and_what_was_stored_when_it_is_committed() -> None:
    tally = Tally("in_memory", "local")
    tally.exported(exported(3, rejected=1), 0)
    before = numbers(tally)
    tally.exported(exported(2), 1)
    tally.applied(2, 99, "s3://lake", 5, deleted=1)

    after = numbers(tally)

    assert (before["exported_rows"], before["applied_rows"], before["slices"]) == (4, 0, 0)
    assert {key: value for key, value in after.items() if key != "duration_ms"} == {
        "exported_rows": 6, "applied_rows": 2, "deleted_rows": 1, "rejected_rows": 1, "filtered_rows": 0,
        "exported_bytes": 50, "applied_bytes": 99, "slices": 1, "export_ms": 14, "import_ms": 5,
    }  # fmt: skip


def test_the_location_is_the_last_that_the_sink_said() -> None:
    tally = Tally("in_memory", "local")
    tally.applied(1, 1, "first", 0)
    tally.applied(1, 1, None, 0)

    assert tally.stats({})["location"] == "first"

    tally.applied(1, 1, "second", 0)
    assert tally.stats({})["location"] == "second"


def test_of_the_rows_set_aside_twenty_are_shown_without_their_content() -> None:
    tally = Tally("in_memory", "local")
    tally.exported(exported(0, rejected=15), 4)
    tally.exported(exported(0, rejected=15), 5)

    rejected = tally.stats({})["rejected"]

    assert rejected["by_reason"] == {"CONSTRAINT": 30}
    assert (len(rejected["samples"]), SAMPLES, rejected["samples"][0]) == (
        20,
        20,
        {"slice": 4, "position": 0, "code": "CONSTRAINT", "column": "id", "reason": "reason 0"},
    )
    assert "canary" not in json.dumps(rejected)
