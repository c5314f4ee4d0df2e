"""What a person may set for a PostgreSQL endpoint, parsed once.

Everything after ``PostgresParameters.parse`` is total. The connection string is
built from fields, so no parameter can smuggle another one in; further libpq
settings come from a list of those that are safe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import quote

from headrace.errors import ConfigInvalid
from headrace.protocol import Role

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

FURTHER = frozenset(
    {
        "channel_binding", "gssencmode", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
        "load_balance_hosts", "require_auth", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcrl",
        "sslnegotiation", "sslsni", "target_session_attrs", "tcp_user_timeout",
    }
)  # fmt: skip
"""Settings of libpq that ``additional_parameters`` may carry."""

SSL_FIELDS = {"ssl_root_cert": "sslrootcert", "ssl_client_cert": "sslcert", "ssl_client_key": "sslkey"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresParameters:
    host: str
    """A name, an address, or a folder that begins with ``/`` and holds the server's Unix socket."""
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    schemas: tuple[str, ...]
    role: str | None
    application_name: str | None
    connect_timeout_seconds: int
    statement_timeout_ms: int
    libpq: Mapping[str, str] = field(repr=False)
    """TLS and further settings, in libpq's names."""

    @classmethod
    def parse(cls, raw: Mapping[str, str], role: Role | None = None) -> PostgresParameters:
        """Raises ``ConfigInvalid`` with ``details["field"]``; ``role`` says which endpoint of a run it was."""
        _refuse_nul(raw, role)
        ssl_mode = raw.get("ssl_mode") or "prefer"
        if ssl_mode not in get_args(SslMode):
            raise _invalid("ssl_mode", f"ssl_mode is one of {', '.join(get_args(SslMode))}, not {ssl_mode!r}.", role)
        files = {libpq: raw[name] for name, libpq in SSL_FIELDS.items() if raw.get(name)}
        timeout_ms = _number(raw, "connect_timeout_ms", 10_000, role)
        return cls(
            host=_required(raw, "host", role),
            port=_port(raw, role),
            database=_required(raw, "database", role),
            username=_required(raw, "username", role),
            password=_password(raw, role),
            schemas=_names(raw.get("schemas", ""), role),
            role=raw.get("role") or None,
            application_name=raw.get("application_name") or None,
            connect_timeout_seconds=max(2, -(-timeout_ms // 1000)),
            statement_timeout_ms=_number(raw, "statement_timeout_ms", 0, role),
            libpq={"sslmode": ssl_mode, **files, **_further(raw, role)},
        )

    @property
    def is_local(self) -> bool:
        return self.host.startswith("/")

    @property
    def place(self) -> str:
        """Where it is, for messages and locations; without user and password."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        user = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        return f"postgresql://{user}@{quote(self.host, safe='')}:{self.port}/{quote(self.database, safe='')}"


def _required(raw: Mapping[str, str], name: str, role: Role | None) -> str:
    value = raw.get(name, "")
    if value.strip() == "":
        raise _invalid(name, f"{name} is missing. Give the {name} of the PostgreSQL server.", role)
    return value


def _refuse_nul(raw: Mapping[str, str], role: Role | None) -> None:
    """libpq reads no further than a NUL, so a connection would go without what follows it, such as its TLS."""
    for name, value in raw.items():
        if "\0" in value:
            raise _invalid(name, f"{name} holds a NUL character, which PostgreSQL does not allow. Remove it.", role)


def _password(raw: Mapping[str, str], role: Role | None) -> str:
    """It may be empty, where the server trusts whoever connects; it may not be forgotten."""
    if "password" not in raw:
        raise _invalid("password", "password is missing. Give the user's password, empty if there is none.", role)
    return raw["password"]


def _port(raw: Mapping[str, str], role: Role | None) -> int:
    _required(raw, "port", role)
    port = _number(raw, "port", 0, role)
    if not 0 < port < 65536:
        raise _invalid("port", f"port is a number from 1 to 65535, not {port}.", role)
    return port


def _number(raw: Mapping[str, str], name: str, default: int, role: Role | None) -> int:
    text = raw.get(name, "").strip()
    if text == "":
        return default
    if not (text.isascii() and text.isdigit()):
        raise _invalid(name, f"{name} is a whole number, not {text!r}.", role)
    return int(text)


def _names(text: str, role: Role | None) -> tuple[str, ...]:
    """A list parameter: a JSON list, or names between commas."""
    if not text.lstrip().startswith("["):
        return tuple(name for part in text.split(",") if (name := part.strip()))
    try:
        names = json.loads(text)
    except json.JSONDecodeError as error:
        raise _invalid("schemas", f"schemas is no list of names: {error}.", role) from None
    found = tuple(str(name) for name in names)
    _refuse_nul({"schemas": "".join(found)}, role)
    return found


def _further(raw: Mapping[str, str], role: Role | None) -> Mapping[str, str]:
    text = raw.get("additional_parameters", "").strip()
    if text == "":
        return {}
    try:
        settings = json.loads(text)
    except json.JSONDecodeError as error:
        raise _invalid("additional_parameters", f"additional_parameters is no JSON: {error}.", role) from None
    if not isinstance(settings, dict):
        raise _invalid("additional_parameters", "additional_parameters is an object of names and values.", role)
    pairs = {str(name): str(value) for name, value in settings.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    refused = sorted(set(pairs) - FURTHER)
    if refused:
        allowed = ", ".join(sorted(FURTHER))
        message = f"additional_parameters may not hold {', '.join(refused)}. Allowed are {allowed}."
        raise _invalid("additional_parameters", message, role)
    _refuse_nul({"additional_parameters": "".join(pairs.values())}, role)
    return pairs


def _invalid(name: str, message: str, role: Role | None) -> ConfigInvalid:
    return ConfigInvalid(message, role=role, details={"field": name})
