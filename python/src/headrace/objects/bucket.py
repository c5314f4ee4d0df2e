"""Objects below one prefix: written whole, written once, read, listed, deleted.

The small protocol that staging, sink and source need of a store. Every failure
leaves as one of ``headrace.errors``; an object that is not there is None, and
one that somebody else wrote first is ``Taken``. Keys are relative to the prefix.
"""

from __future__ import annotations

import datetime
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from headrace.errors import Bug, SourceReplaced
from headrace.objects.address import ObjectAddress
from headrace.objects.failures import answer_of, failure
from headrace.protocol import Role

Content: TypeAlias = bytes | memoryview
"""Written as it lies in memory; nothing of it is copied here."""

_MILLISECOND = datetime.timedelta(milliseconds=1)
_RETRY: Any = {
    "max_retries": 4,
    "retry_timeout": 30_000 * _MILLISECOND,
    "backoff": {"init_backoff": 100 * _MILLISECOND, "max_backoff": 3_000 * _MILLISECOND, "base": 2},
}
_CLIENT: Any = {"connect_timeout": "5s", "timeout": "120s"}


class Taken(Exception):
    """A condition was not met: the object is there already, or is not the one that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    key: str
    size: int
    etag: str
    modified: datetime.datetime
    """When the server says it came, whole seconds with most of them."""


class Bucket:
    """Touches the network with the first call. ``role`` is whose failures these are."""

    def __init__(self, address: ObjectAddress, role: Role | None, *, conditions: bool = True) -> None:
        self.address = address
        self._role: Role | None = role
        self._conditions = conditions
        options: dict[str, Any] = {
            "client_options": {**_CLIENT, "allow_http": (address.endpoint or "").startswith("http://")}
        }
        if address.endpoint is not None:
            options["endpoint"] = address.endpoint
        if address.access_key_id is not None:
            options |= {"access_key_id": address.access_key_id, "secret_access_key": address.secret_access_key}
        self._store = S3Store(
            address.bucket,
            prefix=address.prefix or None,
            region=address.region,
            retry_config=_RETRY,
            **options,
        )

    def without_conditions(self) -> Bucket:
        """The same for a server that keeps no conditions: they are looked at before the write, and may have changed."""
        return Bucket(self.address, self._role, conditions=False)

    def create(self, key: str, content: Content) -> str:
        """Write an object that is not there. Returns its etag.

        Raises:
            Taken: It is there. After a connection that broke it may be ours: read it.
        """
        return self._put(key, content, "create")

    def replace(self, key: str, content: Content, etag: str) -> str:
        """Write an object in place of the one that has ``etag``. Raises ``Taken`` when it is another by now."""
        return self._put(key, content, {"e_tag": etag})

    def put(self, key: str, content: Content) -> str:
        """Write an object, whatever is there."""
        return self._put(key, content, "overwrite")

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and etag."""
        with self._reported("read", key):
            try:
                found = obstore.get(self._store, key)
                return bytes(found.bytes()), _etag(found.meta)
            except FileNotFoundError as error:
                _refuse_without_bucket(error)
                return None

    def read(self, key: str, start: int, length: int, etag: str) -> bytes:
        """Some bytes of the object that has ``etag``. Raises ``SourceReplaced`` when it is gone or another by now.

        Some servers pass over the condition, so the answer has to be of that object as well, and one without
        the bytes that were asked for is another.
        """
        if not etag:
            raise self._without_etags()
        with self._reported("read", key):
            try:
                found = obstore.get(self._store, key, options={"range": (start, start + length), "if_match": etag})
                content = bytes(found.bytes())
            except (FileNotFoundError, PreconditionError) as error:
                _refuse_without_bucket(error)
                raise self._replaced(key) from error
            except BaseError as error:
                if answer_of(error)[0] == 416:
                    raise self._replaced(key) from error
                raise
        if _opaque(_etag(found.meta)) != _opaque(etag) or len(content) != length:
            raise self._replaced(key)
        return content

    def head(self, key: str) -> Found | None:
        with self._reported("look at", key):
            try:
                return _found(obstore.head(self._store, key))
            except FileNotFoundError:
                return None

    def list(self, folder: str) -> Iterator[Found]:
        """Everything below ``folder``, in order of key, drawn page by page."""
        pages: Any = obstore.list(self._store, folder or None)  # pyright: ignore[reportUnknownMemberType]
        while True:
            with self._reported("list", folder):
                page = next(pages, None)
            if page is None:
                return
            yield from map(_found, page)

    def folder(self, folder: str) -> tuple[list[str], list[Found]]:
        """Names of the folders in ``folder``, and the objects that lie in it."""
        with self._reported("list", folder):
            found: Any = obstore.list_with_delimiter(self._store, folder or None)  # pyright: ignore[reportUnknownMemberType]
        names = sorted(prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"])
        return names, [_found(meta) for meta in found["objects"]]

    def delete(self, keys: Iterable[str]) -> None:
        """One after the other or together; what is not there is no error."""
        gone = list(keys)
        if gone:
            with self._reported("delete objects of", gone[0].rpartition("/")[0]):
                obstore.delete(self._store, gone)

    def _put(self, key: str, content: Content, mode: Any) -> str:
        if not self._conditions and mode != "overwrite":
            found = self.head(key)
            if (None if found is None else found.etag) != (None if mode == "create" else mode["e_tag"]):
                raise Taken(key)
            mode = "overwrite"
        with self._reported("write", key):
            try:
                done = obstore.put(self._store, key, content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as error:
                raise Taken(key) from error
            except BaseError as error:
                # Some servers answer 409 to whoever comes second while the first is still being served.
                if answer_of(error)[0] == 409 and mode != "overwrite":
                    raise Taken(key) from error
                raise
        if done["e_tag"] is None:
            raise self._without_etags()
        return done["e_tag"]

    def _replaced(self, key: str) -> SourceReplaced:
        return SourceReplaced(
            f"{self.address.shown(key)} was replaced or deleted while it was read. Start again.",
            role=self._role,
            details={"path": key},
        )

    def _without_etags(self) -> Bug:
        return Bug(f"{self.address.shown()} gives its objects no etag, and Headrace needs them.", role=self._role)

    @contextmanager
    def _reported(self, doing: str, key: str) -> Generator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            raise failure(error, f"{doing} {self.address.shown(key)}", self.address, self._role) from None


def _found(meta: Any) -> Found:
    return Found(key=meta["path"], size=meta["size"], etag=_etag(meta), modified=meta["last_modified"])


def _etag(meta: Any) -> str:
    return meta["e_tag"] or ""


def _opaque(etag: str) -> str:
    """Without what listings of some servers leave out."""
    return etag.removeprefix("W/").strip('"')


def _refuse_without_bucket(error: Exception) -> None:
    """A bucket that is not there holds no objects, but it is no answer to say so of one of them."""
    if answer_of(error)[1] == "NoSuchBucket":
        raise error
