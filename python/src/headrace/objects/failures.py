"""One table from what an object store says to what a person should know and do.

The library's own text is never passed on: it repeats the request. What is kept
of it is the status and the code of the answer, which name no secret.
"""

from __future__ import annotations

import re

from headrace.errors import (
    AuthenticationFailed,
    ConfigInvalid,
    DataPlaneError,
    EndpointUnreachable,
    PermissionDenied,
    SinkFull,
    StagingFull,
    Throttled,
)
from headrace.objects.address import ObjectAddress
from headrace.protocol import Json, Role

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9._-]{1,80})</Code>")

_KEYS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "ExpiredToken",
        "TokenRefreshRequired",
        "XAdminUserNotFound",
        "XAdminNoSuchUser",
        "InvalidClientTokenId",
    }
)
_REGION = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"})
_FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "XAdminQuotaExceeded"})
_BUSY = frozenset({"SlowDown", "TooManyRequests", "RequestLimitExceeded", "ServiceUnavailable"})
_WAIT_SECONDS = 5

_CONNECTING = {
    "dns error": "the name of the host is not known",
    "tcp connect error": "nothing answers at its address",
    "certificate": "its certificate is not one that this machine trusts",
    "timed out": "it did not answer in time",
}


def answer_of(error: Exception) -> tuple[int | None, str]:
    """Status and code of the answer that a library's error holds; None and an empty code when there was none."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return int(status[1]) if status else None, code[1] if code else ""


def failure(error: Exception, doing: str, address: ObjectAddress, role: Role | None) -> DataPlaneError:
    """Say what happened and what to do. ``doing`` completes "Cannot …", such as ``read s3://lake/orders``."""
    status, code = answer_of(error)
    if status is None:
        return _no_answer(str(error), doing, address, role)
    what = f"Cannot {doing}: the server answers {code or status}."
    name = address.names
    details: dict[str, Json] = {"status": status, "code": code}
    if code == "NoSuchBucket":
        advice = f"Create the bucket, or correct {name['bucket']}."
        return ConfigInvalid(f"{what} {advice}", role=role, details={**details, "field": name["bucket"]})
    if code in _KEYS or status == 401:
        advice = f"Correct {name['access_key_id']} and {name['secret_access_key']}."
        return AuthenticationFailed(f"{what} {advice}", role=role, details={**details, "field": name["access_key_id"]})
    if code in _REGION or status in (301, 307, 308):
        advice = f"Correct {name['region']} or {name['endpoint']}."
        return ConfigInvalid(f"{what} {advice}", role=role, details={**details, "field": name["region"]})
    if status == 403:
        advice = "Give these keys the right to list, read, write and delete there."
        return PermissionDenied(f"{what} {advice}", role=role, details=details)
    if code in _FULL or status == 507:
        return _full(what, role, details)
    if code in _BUSY or status in (429, 503):
        message = f"{what} It asks to wait."
        return Throttled(message, role=role, details={**details, "retryAfterSeconds": _WAIT_SECONDS})
    if 400 <= status < 500 or status == 501:
        advice = f"See whether {name['endpoint']} is a server that speaks the protocol of S3."
        return ConfigInvalid(f"{what} {advice}", role=role, details={**details, "field": name["endpoint"]})
    return EndpointUnreachable(f"{what} Look at its log, then start again.", role=role, details=details)


def _no_answer(text: str, doing: str, address: ObjectAddress, role: Role | None) -> DataPlaneError:
    found = text.lower()
    why = next((said for sign, said in _CONNECTING.items() if sign in found), "the connection failed")
    place = address.endpoint or f"Amazon S3 in {address.region}"
    return EndpointUnreachable(
        f"Cannot {doing} at {place}: {why}. See that the server runs and that {address.names['endpoint']} is right.",
        role=role,
        details={"field": address.names["endpoint"]},
    )


def _full(what: str, role: Role | None, details: dict[str, Json]) -> DataPlaneError:
    message = f"{what} Make room there, and start again."
    if role == "staging":
        return StagingFull(message, role=role, details=details)
    return SinkFull(message, role=role, details=details)
