"""Keeps secrets out of what leaves the worker as text: log lines, messages of problems, defects.

While a call that brings secrets is in progress, their values are known here and
replaced wherever they turn up, also as they look inside a URL, in quotes or line
by line. What a template does not call sensitive is not hidden; parameters as a
whole are never written anywhere.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import cast
from urllib.parse import quote, quote_plus

import msgspec

from headrace.endpoints import registry
from headrace.protocol import EndpointRef, Json, Problem

MASK = "****"
SHORTEST = 4
"""A shorter value would hide half the alphabet rather than a secret."""
SHORTEST_LINE = 16
"""A line of a longer secret, such as a key, is one by itself from this length on."""


class Redaction:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: Counter[str] = Counter()

    @contextmanager
    def hiding(self, endpoints: Iterable[EndpointRef]) -> Generator[None]:
        """Hide the sensitive parameters of ``endpoints`` for as long as the body runs."""
        values = [
            text for ref in endpoints for value in _sensitive(ref.template_id, ref.parameters) for text in _looks(value)
        ]
        with self._lock:
            self._secrets.update(values)
        try:
            yield
        finally:
            with self._lock:
                self._secrets.subtract(values)
                self._secrets += Counter()

    def problem(self, error: Problem) -> Problem:
        """The problem without secrets in its message or details."""
        return msgspec.structs.replace(error, message=self(error.message), details=self._within(error.details))

    def __call__(self, text: str) -> str:
        """The text without any secret that is known now."""
        with self._lock:
            secrets = sorted(self._secrets, key=len, reverse=True)
        for secret in secrets:
            text = text.replace(secret, MASK)
        return text

    def _within(self, value: Json) -> Json:
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self._within(inner) for key, inner in cast("dict[str, Json]", value).items()}
        return [self._within(inner) for inner in cast("list[Json]", value)] if isinstance(value, list) else value


def _looks(secret: str) -> set[str]:
    """Everything a secret may look like in a text."""
    quoted = {repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    lines = {line for line in secret.splitlines() if len(line) >= SHORTEST_LINE}
    return {secret, *quoted, quote(secret, safe=""), quote(secret), quote_plus(secret), *lines}


def _sensitive(template_id: str, parameters: Mapping[str, str]) -> list[str]:
    try:
        fields = registry.described(template_id).descriptor().fields
    except Exception:  # whatever is wrong with the template is said elsewhere; nothing of it is known to be harmless
        return [value for value in parameters.values() if len(value) >= SHORTEST]
    keys = {field.key for field in fields if field.sensitive or field.value_type == "PASSWORD"}
    return [value for key, value in parameters.items() if key in keys and len(value) >= SHORTEST]
