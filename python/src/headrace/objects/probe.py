"""Whether a store keeps the conditions that a slot stands on: tried out, since every server answers such a request."""

from __future__ import annotations

import uuid

from headrace.errors import ConfigInvalid
from headrace.objects.bucket import Bucket, Taken


def keeps_conditions(bucket: Bucket) -> bool:
    """Of two that create one object the second must be refused, and so must one that replaces what it has not read.

    Leaves nothing behind. False also for a server that says it does not know such requests.
    """
    key = f"_probe-{uuid.uuid4().hex}"
    try:
        try:
            first = bucket.create(key, b"1")
            if not _is_refused(bucket, key, None):
                return False
            bucket.replace(key, b"3", first)
        except (ConfigInvalid, Taken) as error:
            if isinstance(error, ConfigInvalid) and error.details.get("status") not in (400, 501):
                raise
            return False
        return _is_refused(bucket, key, first)
    finally:
        bucket.delete([key])


def _is_refused(bucket: Bucket, key: str, etag: str | None) -> bool:
    try:
        if etag is None:
            bucket.create(key, b"2")
        else:
            bucket.replace(key, b"4", etag)
    except Taken:
        return True
    return False
