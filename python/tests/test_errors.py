"""Every failure that leaves an endpoint says what may be done about it, and a bug keeps its words to itself."""

from __future__ import annotations

from typing import get_args

import pytest

from headrace import errors
from headrace.endpoints.registry import EndpointCollision
from headrace.errors import DataPlaneError, problem
from headrace.protocol import ProblemTag, Retry

RETRY: dict[type[DataPlaneError], Retry] = {
    errors.EndpointUnreachable: "Later",
    errors.AuthenticationFailed: "AfterFix",
    errors.PermissionDenied: "AfterFix",
    errors.ConfigInvalid: "AfterFix",
    errors.UnitNotFound: "AfterFix",
    errors.SchemaChanged: "AfterFix",
    errors.RowRejected: "AfterFix",
    errors.QuarantineExceeded: "AfterFix",
    errors.SourceRewound: "AfterFix",
    errors.SourceReplaced: "AfterFix",
    errors.Throttled: "Later",
    errors.SinkFenced: "Never",
    errors.SinkAmbiguous: "Later",
    errors.SinkFull: "AfterFix",
    errors.CheckpointAheadOfSink: "AfterFix",
    errors.StagingFull: "AfterFix",
    errors.Bug: "Never",
}


@pytest.mark.parametrize("kind", RETRY, ids=lambda kind: kind.__name__)
def test_an_error_says_by_its_name_what_happened_and_whether_trying_again_helps(kind: type[DataPlaneError]) -> None:
    found = problem(kind("What, where, what to do.", role="sink", details={"field": "x"}))

    assert (found.tag, found.retry) == (kind.__name__, RETRY[kind])
    assert (found.message, found.role, found.details) == ("What, where, what to do.", "sink", {"field": "x"})


def test_every_tag_of_the_protocol_has_one_error_and_every_error_a_tag() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DataPlaneError)}

    assert kinds - {DataPlaneError} == set(RETRY)
    assert [kind.tag for kind in RETRY] == list(get_args(ProblemTag))


def test_an_error_of_an_error_keeps_the_tag_that_callers_know() -> None:
    assert problem(EndpointCollision("Two claim one.")).tag == "ConfigInvalid"


@pytest.mark.parametrize("error", [ZeroDivisionError("canary"), KeyError("canary"), OSError(13, "canary")])
def test_an_exception_nobody_expected_is_a_bug_whose_text_stays_in_the_log(error: Exception) -> None:
    found = problem(error)

    assert (found.tag, found.retry, found.role, found.details) == ("Bug", "Never", None, {})
    assert "canary" not in found.message
    assert type(error).__name__ in found.message and "log" in found.message


def test_details_are_the_errors_own() -> None:
    given: dict[str, object] = {"field": "host"}
    error = errors.ConfigInvalid("no", details=given)
    given["field"] = "port"

    assert error.details == {"field": "host"}
    assert errors.ConfigInvalid("no").details is not errors.ConfigInvalid("no").details
