"""One table from what PyIceberg, a database or a store says to what a person should know and do.

The texts of libraries quote addresses and values, so of most errors only the
kind is passed on.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import requests
from pyiceberg import exceptions as said
from sqlalchemy import exc as sql

from headrace.errors import (
    AuthenticationFailed,
    Bug,
    ConfigInvalid,
    DataPlaneError,
    EndpointUnreachable,
    PermissionDenied,
    SchemaChanged,
    SinkAmbiguous,
    SinkFull,
    Throttled,
)
from headrace.protocol import Role

_LOCKED = "55P03"
"""Of a statement that waited for others as long as it may: nothing of its transaction happens."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_STORE_IS_FULL = ("HTTP status 507", "QuotaExceeded", "StorageFull", "InsufficientStorage")
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_ADVICE: Sequence[tuple[tuple[type[Exception], ...], type[DataPlaneError], str, str | None]] = (
    ((said.UnauthorizedError, said.OAuthError, said.AuthorizationExpiredError), AuthenticationFailed,
     "the catalog refused to sign in. Check token, or credential in additional_properties.", "token"),
    ((said.ForbiddenError,), PermissionDenied,
     "the catalog forbids it. Give the principal the right to make and change tables there.", "token"),
    ((said.TooManyRequestsError,), Throttled, "the catalog asks to wait. Try again later.", None),
    ((said.CommitStateUnknownException,), SinkAmbiguous,
     "the catalog does not say whether a commit happened. Start the unit again: the commit record says it.", None),
    ((said.ServiceUnavailableError, said.ServerError), EndpointUnreachable,
     "the catalog met an error of its own. Look at its log, then try again.", None),
    ((said.NoSuchTableError,), SchemaChanged,
     "the table was dropped during the run. Start the unit again.", None),
    ((said.CommitFailedException, said.ValidationException), EndpointUnreachable,
     "other writers were faster each time. Start the unit again when the table is quieter.", None),
    ((said.BadRequestError, said.NoSuchPropertyException), ConfigInvalid,
     "the catalog does not understand the request. Check catalog_type, catalog_uri and warehouse.", "catalog_uri"),
    ((said.RESTError, said.NoSuchNamespaceError), ConfigInvalid,
     "the catalog has nothing there. Check catalog_uri, warehouse and namespace.", "catalog_uri"),
    ((requests.exceptions.SSLError,), EndpointUnreachable,
     "TLS with the catalog failed. Check its certificate and the address.", "catalog_uri"),
    ((requests.exceptions.Timeout,), EndpointUnreachable,
     "the catalog did not answer in time. Check catalog_uri and the network, then try again.", "catalog_uri"),
    ((requests.exceptions.RequestException,), EndpointUnreachable,
     "the connection to the catalog broke. Check catalog_uri and that the catalog is running.", "catalog_uri"),
)  # fmt: skip
"""The first row whose kinds fit."""


KNOWN: tuple[type[Exception], ...] = (
    *(kind for kinds, *_ in _ADVICE for kind in kinds), sql.SQLAlchemyError, OSError, pa.ArrowException,
)  # fmt: skip
"""What catalogs, databases and stores raise. Anything else is nobody's answer, and passes as it is."""


def translated(error: Exception, *, role: Role | None, where: str) -> DataPlaneError:
    """The failure to raise for ``error``; ``where`` names the thing at hand, such as a table."""
    if isinstance(error, DataPlaneError):
        return error
    for kinds, failure, advice, field in _ADVICE:
        if isinstance(error, kinds):
            return failure(f"{where}: {advice}", role=role, details={} if field is None else {"field": field})
    if isinstance(error, sql.SQLAlchemyError):
        return _of_database(error, role, where)
    if isinstance(error, OSError):
        return _of_storage(error, role, where)
    return Bug(f"{where}: PyIceberg failed unexpectedly ({type(error).__name__}).", role=role)


_PASSING = (
    requests.exceptions.ConnectionError, requests.exceptions.Timeout, requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError, said.CommitStateUnknownException, said.ServiceUnavailableError,
    said.ServerError,
)  # fmt: skip
_REFUSED = (
    said.BadRequestError, said.UnauthorizedError, said.ForbiddenError, said.AuthorizationExpiredError,
    said.TooManyRequestsError, said.NoSuchTableError, said.ValidationException,
)  # fmt: skip
"""Answers of a catalog that looked at a request and did nothing. Others may be those of a proxy before it."""


def is_passing(error: Exception) -> bool:
    """Whether the same may simply be asked again: a lost connection, a busy database or server."""
    if isinstance(error, sql.SQLAlchemyError):
        return isinstance(error, sql.OperationalError | sql.InterfaceError) and not _refusal(error)
    return isinstance(error, _PASSING)


def is_certain(error: Exception) -> bool:
    """Whether a commit that ended so has not happened: its metadata was not written, or the catalog refused it."""
    if isinstance(error, sql.SQLAlchemyError):
        code = getattr(getattr(error, "orig", None), "sqlstate", None)
        return code == _LOCKED or _refusal(error) is not None
    is_of_storage = isinstance(error, OSError) and not isinstance(error, requests.exceptions.RequestException)
    return is_of_storage or isinstance(error, _REFUSED)


def _of_database(error: sql.SQLAlchemyError, role: Role | None, where: str) -> DataPlaneError:
    refusal = _refusal(error)
    if refusal is not None:
        failure, advice, field = refusal
        return failure(f"{where}: {advice}", role=role, details={"field": field})
    if not isinstance(error, sql.OperationalError | sql.InterfaceError | sql.TimeoutError):
        code = getattr(getattr(error, "orig", None), "sqlstate", None) or type(error).__name__
        return Bug(f"{where}: the catalog's database refused a statement of PyIceberg's ({code}).", role=role)
    return EndpointUnreachable(
        f"{where}: the catalog's database did not answer, or was busy. Check catalog_uri and that it is running, then "
        "try again.",
        role=role,
        details={"field": "catalog_uri"},
    )


def _refusal(error: sql.SQLAlchemyError) -> tuple[type[DataPlaneError], str, str] | None:
    """What a database refuses for good, by its code, or by the words of libraries that have none."""
    cause: Any = getattr(error, "orig", None)
    code, text = str(getattr(cause, "sqlstate", None) or ""), str(cause).lower()
    for codes, words, refusal in _REFUSALS:
        if code[:5] in codes or code[:2] in codes or any(word in text for word in words):
            return refusal
    return None


_REFUSALS: Sequence[tuple[tuple[str, ...], tuple[str, ...], tuple[type[DataPlaneError], str, str]]] = (
    (("28",), ("authentication failed", "no password supplied", "pg_hba.conf", 'role "'),
     (AuthenticationFailed,
      "the catalog's database refused to sign in. Check the user in catalog_uri, and token, which is its password.",
      "token")),
    (("3D000",), ('database "',), (ConfigInvalid, "the catalog's database does not exist. Check catalog_uri.",
                                    "catalog_uri")),
    (("42501", "3F000"), ("permission denied", "readonly database"),
     (PermissionDenied, "the catalog's database forbids it. Grant the user the right to make and write tables there.",
      "catalog_uri")),
    (("25006",), ("read-only transaction",),
     (EndpointUnreachable,
      "the catalog's database takes no writes: a standby took its place, or somebody stopped them. Have catalog_uri "
      "name the primary, then start again.",
      "catalog_uri")),
    (("53100",), ("disk is full",), (SinkFull, "the disk of the catalog's database is full. Make room.",
                                     "catalog_uri")),
    ((), ("unable to open database file", "not a database"),
     (ConfigInvalid, "the file of the SQLite catalog cannot be opened. Check the path in catalog_uri.",
      "catalog_uri")),
)  # fmt: skip


def _of_storage(error: OSError, role: Role | None, where: str) -> DataPlaneError:
    text = str(error)
    if error.errno in _FULL or any(word in text for word in _STORE_IS_FULL):
        message = f"{where}: no space is left where the warehouse is. Make room, then start again."
        return SinkFull(message, role=role, details={"field": "warehouse"})
    if isinstance(error, PermissionError) or error.errno in _DENIED or "ACCESS_DENIED" in text:
        message = f"{where}: the warehouse may not be written. Grant the right, or check the keys of the store."
        return PermissionDenied(message, role=role, details={"field": "warehouse"})
    if any(code in text for code in ("INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID")):
        message = f"{where}: the store refused the keys. Check s3.access-key-id and s3.secret-access-key."
        return AuthenticationFailed(message, role=role, details={"field": "additional_properties"})
    if "NO_SUCH_BUCKET" in text or error.errno in (errno.ENOENT, errno.ENOTDIR):
        message = f"{where}: a file or bucket of the warehouse is not there. Check warehouse, and whether it was moved."
        return ConfigInvalid(message, role=role, details={"field": "warehouse"})
    return EndpointUnreachable(
        f"{where}: the warehouse could not be read or written. Check it and the network, then try again.",
        role=role,
        details={"field": "warehouse"},
    )
