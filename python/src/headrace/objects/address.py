"""Where objects are kept, and as whom: what a person says of it, parsed once. Touches no network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from headrace.errors import ConfigInvalid
from headrace.protocol import Role

DEFAULT_REGION = "us-east-1"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,253}[a-z0-9]", re.IGNORECASE)
_PARTS = ("endpoint", "region", "bucket", "prefix", "access_key_id", "secret_access_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAddress:
    """A prefix of a bucket. ``names`` are the words that people set the parts with, for messages."""

    endpoint: str | None
    """Scheme, host and port; None for Amazon's own of the region."""
    region: str
    bucket: str
    prefix: str
    """Without slashes at its ends; empty for the whole bucket."""
    access_key_id: str | None
    secret_access_key: str | None = field(repr=False)
    names: Mapping[str, str] = field(default_factory=lambda: {part: part for part in _PARTS}, repr=False)

    @classmethod
    def parse(cls, said: Mapping[str, str], names: Mapping[str, str], role: Role | None = None) -> ObjectAddress:
        """From text by part. Raises ``ConfigInvalid``, whose ``details["field"]`` is the part's name."""
        key, secret = said.get("access_key_id", "").strip(), said.get("secret_access_key", "")
        if bool(key) is not bool(secret):
            absent = names["secret_access_key" if key else "access_key_id"]
            raise _invalid(absent, f"{absent} is missing. Give both keys, or none for the role of the machine.", role)
        return cls(
            endpoint=_endpoint(said.get("endpoint", ""), names["endpoint"], role),
            region=said.get("region", "").strip() or DEFAULT_REGION,
            bucket=_bucket(said.get("bucket", ""), names["bucket"], role),
            prefix=_prefix(said.get("prefix", ""), names["prefix"], role),
            access_key_id=key or None,
            secret_access_key=secret or None,
            names=names,
        )

    @property
    def url(self) -> str:
        return "/".join(filter(None, (f"s3://{self.bucket}", self.prefix)))

    def shown(self, key: str = "") -> str:
        """How people are told of an object below the prefix."""
        return f"{self.url}/{key}" if key else self.url


def _endpoint(text: str, name: str, role: Role | None) -> str | None:
    said = text.strip().rstrip("/")
    if not said:
        return None
    parts = urlsplit(said)
    if parts.username or parts.password or "@" in parts.netloc:
        raise _invalid(name, f"{name} holds a user or a password. Give the keys in their own fields.", role)
    try:
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.path or parts.query or parts.fragment:
        raise _invalid(name, f"{name} is no address such as https://s3.example.com or http://127.0.0.1:8333.", role)
    return said


def _bucket(text: str, name: str, role: Role | None) -> str:
    said = text.strip()
    if not said:
        raise _invalid(name, f"{name} is missing. Give the name of the bucket.", role)
    if not _BUCKET.fullmatch(said):
        raise _invalid(name, f"{name} is no name of a bucket: letters, digits, '-', '.' and '_' are.", role)
    return said


def _prefix(text: str, name: str, role: Role | None) -> str:
    segments = text.strip().strip("/").split("/")
    if segments == [""]:
        return ""
    if any(segment in ("", ".", "..") or not segment.isprintable() for segment in segments):
        raise _invalid(name, f"{name} has an empty step, '.', '..' or a control character in it. Remove it.", role)
    return "/".join(segments)


def _invalid(name: str, message: str, role: Role | None) -> ConfigInvalid:
    return ConfigInvalid(message, role=role, details={"field": name})
