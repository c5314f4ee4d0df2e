"""Failures of the data plane: every error that leaves an endpoint is one of these.

The class names what happened, ``retry`` what may be done about it, ``role``
where it was. ``message`` is for a person: what, where, what to do; never a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from headrace.protocol import Json, Problem, ProblemTag, Retry, Role


class DataPlaneError(Exception):
    """Base of every failure this package raises on purpose."""

    tag: ClassVar[ProblemTag] = "Bug"
    retry: ClassVar[Retry] = "Never"

    def __init__(self, message: str, *, role: Role | None = None, details: Mapping[str, Json] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.role: Role | None = role
        self.details: dict[str, Json] = dict(details or {})

    def may_pass(self, role: Role) -> bool:
        """Whether the endpoint of this role may take the same later, with nothing done about it."""
        return self.retry == "Later" and self.role == role


class EndpointUnreachable(DataPlaneError):
    """The system did not answer. The same call may succeed later."""

    tag = "EndpointUnreachable"
    retry = "Later"


class AuthenticationFailed(DataPlaneError):
    tag = "AuthenticationFailed"
    retry = "AfterFix"


class PermissionDenied(DataPlaneError):
    tag = "PermissionDenied"
    retry = "AfterFix"


class ConfigInvalid(DataPlaneError):
    """A parameter, a policy key or an id is wrong; ``details["field"]`` names it where one is to blame."""

    tag = "ConfigInvalid"
    retry = "AfterFix"


class UnitNotFound(DataPlaneError):
    tag = "UnitNotFound"
    retry = "AfterFix"


class SchemaChanged(DataPlaneError):
    tag = "SchemaChanged"
    retry = "AfterFix"


class RowRejected(DataPlaneError):
    """A row cannot be carried and the policy sets none aside."""

    tag = "RowRejected"
    retry = "AfterFix"


class QuarantineExceeded(DataPlaneError):
    """More rows cannot be carried than the policy sets aside. Nothing of the slice is visible."""

    tag = "QuarantineExceeded"
    retry = "AfterFix"


class SourceRewound(DataPlaneError):
    """The source's newest position lies before the checkpoint."""

    tag = "SourceRewound"
    retry = "AfterFix"


class SourceReplaced(DataPlaneError):
    """What the checkpoint was taken from is gone; something else has its name."""

    tag = "SourceReplaced"
    retry = "AfterFix"


class Throttled(DataPlaneError):
    """The system asks to wait; ``details["retryAfterSeconds"]`` says how long."""

    tag = "Throttled"
    retry = "Later"


class SinkFenced(DataPlaneError):
    """A newer owner has this unit. Nothing of ours became visible."""

    tag = "SinkFenced"
    retry = "Never"


class SinkAmbiguous(DataPlaneError):
    """The answer of a commit was lost and its record could not be read."""

    tag = "SinkAmbiguous"
    retry = "Later"


class SinkFull(DataPlaneError):
    """No space is left where the sink writes. Nothing of the slice is visible."""

    tag = "SinkFull"
    retry = "AfterFix"


class CheckpointAheadOfSink(DataPlaneError):
    """The sink does not hold any more what it took, or cannot read its record of it. Going on would leave a gap."""

    tag = "CheckpointAheadOfSink"
    retry = "AfterFix"


class StagingFull(DataPlaneError):
    """The session's bound is reached; smaller slices or another provider help."""

    tag = "StagingFull"
    retry = "AfterFix"


class Bug(DataPlaneError):
    """Ours to mend: an exception nobody expected, or a broken promise between our own parts."""

    tag = "Bug"
    retry = "Never"


def problem(error: Exception) -> Problem:
    """Describe a failure to the control plane. What is no ``DataPlaneError`` is a ``Bug`` whose text stays here."""
    if isinstance(error, DataPlaneError):
        return Problem(
            tag=error.tag,
            retry=error.retry,
            role=error.role,
            message=error.message,
            details=error.details,
        )
    return Problem(
        tag="Bug",
        retry="Never",
        role=None,
        message=f"The worker met an unexpected {type(error).__name__}; its log has the traceback.",
    )
