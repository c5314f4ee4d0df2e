"""Staging in a bucket: memory stays flat, and a worker needs no disk.

A session is everything below ``<prefix>/<tenant>/<run>/<slice>-<number>/`` and
goes when it is closed. What a dead process left is swept: at once when its
owner was a process of this machine that is gone, after a day untouched when it
was of another. Objects that staging did not write are left alone.
"""

from __future__ import annotations

import os
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.errors import ConfigInvalid
from headrace.sessions import StagedSession
from headrace.staging import IngestionContext
from headrace.stagings.object_store_owner import decoded, is_gone
from headrace.stagings.segments import run_segment, segment

if TYPE_CHECKING:
    from headrace.objects.address import ObjectAddress
    from headrace.objects.bucket import Bucket, Found

MAXIMUM_SESSION_BYTES = 10 * 1024**3
LEASE_SECONDS = 24 * 60 * 60
"""For so long a session of another machine is its owner's, whatever a sweep asks for."""

URL = "HEADRACE_STAGING_URL"
SETTINGS: Mapping[str, str] = {
    "endpoint": "HEADRACE_STAGING_S3_ENDPOINT",
    "region": "HEADRACE_STAGING_S3_REGION",
    "access_key_id": "HEADRACE_STAGING_S3_ACCESS_KEY_ID",
    "secret_access_key": "HEADRACE_STAGING_S3_SECRET_ACCESS_KEY",
}

_SESSION = re.compile(r"(?P<folder>[^/]+/(?P<run>[^/]+)/\d+-[0-9a-f]{32})/(part-\d{6,}|owner\.json|manifest\.json)")
_CLOCK = re.compile(r"_clock-[0-9a-f]{32}")
"""Of a sweep that died, or of one that goes on: that finds no time then, and spares what it asked about."""


class ObjectStoreStaging:
    """Sessions below ``address``; unsaid, below ``HEADRACE_STAGING_URL``."""

    id = "object_store"
    takes_native_files = False

    def __init__(self, address: ObjectAddress | None = None, max_bytes: int = MAXIMUM_SESSION_BYTES) -> None:
        self._address = address
        self._max_bytes = max_bytes

    def allocate_session(self, context: IngestionContext) -> StagedSession:
        bucket = self._bucket()
        from headrace.stagings.object_store_session import SessionObjects

        number = f"{context.slice_seq}-{uuid.uuid4().hex}"
        folder = "/".join((segment(context.tenant), run_segment(context.run_id), number))
        return StagedSession(folder, context, SessionObjects(bucket, folder, self._max_bytes))

    def sweep(self, older_than_seconds: float, keep: Iterable[str]) -> tuple[int, int]:
        if self._address is None and not os.environ.get(URL):
            return 0, 0
        bucket, kept = self._bucket(), {run_segment(run_id) for run_id in keep}
        sessions: dict[str, list[Found]] = defaultdict(list)
        clocks: list[str] = []
        for found in bucket.list(""):
            if _CLOCK.fullmatch(found.key):
                clocks.append(found.key)
            named = _SESSION.fullmatch(found.key)
            if named is not None and named["run"] not in kept:
                sessions[named["folder"]].append(found)
        left = [folder for folder in sessions if _is_left(bucket, folder, sessions[folder], older_than_seconds)]
        bucket.delete(found.key for folder in left for found in sessions[folder])
        bucket.delete(clocks)
        return len(left), sum(found.size for folder in left for found in sessions[folder])

    def _bucket(self) -> Bucket:
        address = self._address or configured_address()
        try:
            from headrace.objects.bucket import Bucket
        except ModuleNotFoundError as error:
            raise ConfigInvalid(
                f"The staging provider object_store needs the library {error.name!r}, which is not installed: "
                "pip install 'headrace[s3]'.",
                role="staging",
                details={"library": error.name or ""},
            ) from error
        return Bucket(address, "staging")


def configured_address() -> ObjectAddress:
    """Where the settings say. Raises ``ConfigInvalid`` naming the setting."""
    from headrace.objects.address import ObjectAddress

    said = os.environ.get(URL, "")
    parts = urlsplit(said)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        what = f"{URL} is not set" if not said else f"{URL} is no address of a bucket"
        raise ConfigInvalid(
            f"{what}, and the staging provider object_store needs it. Set it to s3://bucket/prefix.",
            role="staging",
            details={"field": URL},
        )
    keys = {part: os.environ.get(name, "") for part, name in SETTINGS.items()}
    return ObjectAddress.parse(
        {**keys, "bucket": parts.netloc, "prefix": parts.path}, {**SETTINGS, "bucket": URL, "prefix": URL}, "staging"
    )


def _is_left(bucket: Bucket, folder: str, objects: list[Found], older_than_seconds: float) -> bool:
    """Whether a session's owner is gone, and it is old enough."""
    found = bucket.get(f"{folder}/owner.json")
    owner = None if found is None else decoded(found[0])
    gone = None if owner is None else is_gone(owner)
    if gone is False:
        return False
    age = older_than_seconds if gone else max(older_than_seconds, LEASE_SECONDS)
    return age <= 0 or _age(bucket, objects) >= age


def _age(bucket: Bucket, objects: list[Found]) -> float:
    """Seconds since the newest of these objects, by the server's clock: ours may go otherwise."""
    key = f"_clock-{uuid.uuid4().hex}"
    bucket.put(key, b"")
    now = bucket.head(key)
    bucket.delete([key])
    newest = max(found.modified for found in objects)
    return 0 if now is None else (now.modified - newest).total_seconds()
