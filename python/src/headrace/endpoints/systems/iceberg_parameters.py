"""What a person may set for an Iceberg catalog, parsed once; parsing touches no catalog.

Everything secret has a field of its own: a password within ``catalog_uri`` would
be shown to whoever looks at the endpoint. Properties go to PyIceberg only from a
list, for some of its others name code that is to be imported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from headrace.errors import ConfigInvalid
from headrace.protocol import Role
from headrace.suggestions import did_you_mean

CatalogType = Literal["sql", "rest"]

FURTHER_PREFIXES = ("adls.", "client.", "gcs.", "header.", "oss.", "s3.")
FURTHER = frozenset(
    {
        "audience", "credential", "name", "oauth2-server-uri", "prefix", "resource", "rest.sigv4-enabled",
        "rest.signing-name", "rest.signing-region", "scope",
    }
)  # fmt: skip
"""Properties that ``additional_properties`` may carry, beside all that begin with a prefix above."""
_CODE = frozenset({"s3.retry-strategy-impl", "s3.signer", "s3.signer.endpoint", "s3.signer.uri"})

_DIALECTS = {"postgresql": "postgresql+psycopg", "postgresql+psycopg2": "postgresql+psycopg"}
_SQL = ("sqlite", "postgresql+psycopg")
_DEFAULT_NAME = "default"
_OWN = ("warehouse", "namespace", "token")
_SETTINGS: Mapping[str, frozenset[str]] = {
    "sqlite": frozenset(
        {
            "cache", "cached_statements", "check_same_thread", "detect_types", "immutable", "isolation_level", "mode",
            "nolock", "timeout", "uri", "vfs",
        }
    ),
    "postgresql+psycopg": frozenset(
        {
            "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname",
            "fallback_application_name", "gssdelegation", "gssencmode", "gsslib", "host", "hostaddr", "keepalives",
            "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname", "load_balance_hosts", "options",
            "passfile", "port", "require_auth", "requirepeer", "service", "ssl_max_protocol_version",
            "ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey",
            "sslmode", "sslnegotiation", "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout", "user",
        }
    ),
}  # fmt: skip
"""What may stand behind the ``?`` of an address: settings of the database's driver. Those of REST have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IcebergParameters:
    catalog_type: CatalogType
    catalog_uri: str
    """Without a secret, so it may be shown."""
    warehouse: str | None
    namespace: str | None
    token: str = field(repr=False)
    further: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, raw: Mapping[str, str], role: Role | None = None) -> IcebergParameters:
        """Raises ``ConfigInvalid`` with ``details["field"]``; ``role`` says which endpoint of a run it was."""
        kind = _kind(raw.get("catalog_type", ""), role)
        uri = _uri(raw.get("catalog_uri", "").strip(), kind, role)
        return cls(
            catalog_type=kind,
            catalog_uri=uri,
            warehouse=_warehouse(raw.get("warehouse", "").strip(), kind, role),
            namespace=_namespace(raw.get("namespace", "").strip(), role),
            token=_token(raw.get("token", ""), uri, role),
            further=_further(raw.get("additional_properties", "").strip(), role),
        )

    @property
    def name(self) -> str:
        """Of the catalog, which in a database keeps several apart."""
        return self.further.get("name", _DEFAULT_NAME)

    @property
    def is_local(self) -> bool:
        """Whether tables are files of this machine."""
        return self.warehouse is not None and self.warehouse.startswith("file://")

    def properties(self) -> Mapping[str, str]:
        """As PyIceberg takes them, secrets included."""
        known: dict[str, str] = {key: value for key, value in self.further.items() if key != "name"}
        known |= {"type": self.catalog_type, "uri": self._uri_with_token()}
        if self.warehouse is not None:
            known["warehouse"] = self.warehouse
        if self.catalog_type == "rest" and self.token:
            known["token"] = self.token
        return known

    def _uri_with_token(self) -> str:
        parts = urlsplit(self.catalog_uri)
        if self.catalog_type != "sql" or not self.token or "@" not in parts.netloc:
            return self.catalog_uri
        user, _, place = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(self.token, safe='')}@{place}"))


def _kind(text: str, role: Role | None) -> CatalogType:
    for known in get_args(CatalogType):
        if text == known:
            return known
    if text == "hive":
        raise _invalid(
            "catalog_type",
            "catalog_type hive is not offered: a Hive metastore has not been tested. Use rest, which most catalogs "
            "speak, or sql.",
            role,
        )
    said = f"is {text!r}" if text else "is missing"
    raise _invalid("catalog_type", f"catalog_type {said}. Choose one of {', '.join(get_args(CatalogType))}.", role)


def _uri(text: str, kind: CatalogType, role: Role | None) -> str:
    wanted = "sqlite:////path/catalog.db or postgresql://user@host/database" if kind == "sql" else "https://host/path"
    if not text:
        raise _invalid("catalog_uri", f"catalog_uri is missing. Give the catalog's address, such as {wanted}.", role)
    parts = urlsplit(text)
    scheme = _DIALECTS.get(parts.scheme, parts.scheme)
    if scheme not in (_SQL if kind == "sql" else ("http", "https")):
        raise _invalid("catalog_uri", f"catalog_uri is no address of a {kind} catalog. Give {wanted}.", role)
    if "\0" in text or (scheme != "sqlite" and not parts.hostname and "host=" not in parts.query):
        raise _invalid("catalog_uri", f"catalog_uri names no host. Give {wanted}.", role)
    is_told = parts.password is not None or (kind == "rest" and parts.username is not None)
    if is_told or "password" in parse_qs(parts.query):
        raise _invalid("catalog_uri", "catalog_uri holds a secret, which would be shown. Move it to token.", role)
    _refuse_unknown(parts.query, scheme, role)
    if scheme == "sqlite" and not parts.path.startswith("//"):
        message = "catalog_uri is a path below the worker's folder. Give the whole path: sqlite:////path/catalog.db."
        raise _invalid("catalog_uri", message, role)
    # urlunsplit would take the slashes off an address without a host, and sqlite needs all four
    return scheme + text[len(parts.scheme) :]


def _refuse_unknown(query: str, scheme: str, role: Role | None) -> None:
    """A mistyped name goes to a driver that says something else of it, and may show its value, which is secret."""
    known = _SETTINGS.get(scheme, frozenset[str]())
    for name in parse_qs(query, keep_blank_values=True):
        if name not in known:
            meant = did_you_mean(name, [*_OWN, *sorted(known | FURTHER)])
            raise _invalid("catalog_uri", f'catalog_uri has an unknown setting "{name}". Take it away.{meant}', role)


def _warehouse(text: str, kind: CatalogType, role: Role | None) -> str | None:
    if not text:
        if kind == "rest":
            return None
        raise _invalid(
            "warehouse",
            "warehouse is missing. Give where tables are kept, such as /data/lake or s3://bucket/lake.",
            role,
        )
    if kind == "rest":
        return text
    if "://" not in text or text.startswith("file://"):
        path = unquote(urlsplit(text).path) if text.startswith("file://") else text
        return f"file://{os.path.abspath(os.path.expanduser(path))}"
    if urlsplit(text).scheme not in ("s3", "s3a", "gs", "abfs", "abfss"):
        raise _invalid("warehouse", f"warehouse is {text!r}. Give a directory, or an address of s3, gs or abfs.", role)
    return text.rstrip("/")


def _namespace(text: str, role: Role | None) -> str | None:
    if text and not all(part.strip() for part in text.split(".")):
        raise _invalid("namespace", f"namespace is {text!r}. Give names between dots, such as raw or raw.shop.", role)
    return text or None


def _token(text: str, uri: str, role: Role | None) -> str:
    parts = urlsplit(uri)
    if text and parts.scheme.startswith("postgresql") and parts.username is None:
        raise _invalid("catalog_uri", "token is a password, and catalog_uri names no user it is of. Add user@.", role)
    return text


def _further(text: str, role: Role | None) -> Mapping[str, str]:
    if not text:
        return {}
    try:
        said: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise _invalid("additional_properties", f"additional_properties is no JSON: {error}.", role) from None
    if not isinstance(said, dict):
        raise _invalid("additional_properties", "additional_properties is an object of names and values.", role)
    pairs = {str(key): _plain(value) for key, value in cast("dict[str, Any]", said).items()}
    refused = sorted(key for key in pairs if key in _CODE or not (key in FURTHER or key.startswith(FURTHER_PREFIXES)))
    if refused:
        allowed = ", ".join([*sorted(FURTHER), *(f"{prefix}*" for prefix in FURTHER_PREFIXES)])
        message = f"additional_properties may not hold {', '.join(refused)}. Allowed are {allowed}."
        raise _invalid("additional_properties", message, role)
    return pairs


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _invalid(name: str, message: str, role: Role | None) -> ConfigInvalid:
    return ConfigInvalid(message, role=role, details={"field": name})
