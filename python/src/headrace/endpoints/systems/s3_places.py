"""What source and sink call a unit's prefix when they ask each other whether it is one."""

from __future__ import annotations

import hashlib

from headrace.endpoints.systems.files_layout import UNIT_FILE
from headrace.objects.bucket import Bucket


def places(bucket: Bucket, key: str) -> frozenset[str]:
    """Bucket and prefix, and what tells the server, however it is called: the object that says whose the prefix is.

    It names one unit on its way into one sink and was written once; on another
    server it would have come at another time. None while it is not there.
    """
    unit_file = f"{key}/{UNIT_FILE}" if key else UNIT_FILE
    there = bucket.head(unit_file)
    content = None if there is None else bucket.get(unit_file)
    if there is None or content is None:
        return frozenset()
    written = f"{hashlib.sha256(content[0]).hexdigest()} {there.modified.timestamp()}"
    return frozenset({f"{bucket.address.shown(unit_file)} {written}"})
