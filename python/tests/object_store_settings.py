"""The settings of staging in a bucket, for a server of the tests."""

from __future__ import annotations

from s3_servers import S3Server

from headrace.stagings.object_store import SETTINGS, URL


def environment(server: S3Server, prefix: str) -> dict[str, str]:
    address = server.address()
    said = {SETTINGS[part]: getattr(address, part) for part in SETTINGS}
    return {**said, URL: f"s3://{address.bucket}/{prefix}"}
