"""Keeps secrets out of what leaves the worker as text: log lines, messages of problems, defects.

While a call that brings secrets is in progress, their values are known here and
replaced wherever they turn up. What a template does not call sensitive is not
hidden; parameters as a whole are never written anywhere.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager

import msgspec

from headrace.endpoints import registry
from headrace.errors import DataPlaneError
from headrace.protocol import EndpointRef, Problem

MASK = "****"
SHORTEST = 4
"""A shorter value would hide half the alphabet rather than a secret."""


class Redaction:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: Counter[str] = Counter()

    @contextmanager
    def hiding(self, endpoints: Iterable[EndpointRef]) -> Generator[None]:
        """Hide the sensitive parameters of ``endpoints`` for as long as the body runs."""
        values = [value for ref in endpoints for value in _sensitive(ref.template_id, ref.parameters)]
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
        details = {key: self(value) if isinstance(value, str) else value for key, value in error.details.items()}
        return msgspec.structs.replace(error, message=self(error.message), details=details)

    def __call__(self, text: str) -> str:
        """The text without any secret that is known now."""
        with self._lock:
            secrets = sorted(self._secrets, key=len, reverse=True)
        for secret in secrets:
            text = text.replace(secret, MASK)
        return text


def _sensitive(template_id: str, parameters: Mapping[str, str]) -> list[str]:
    try:
        fields = registry.described(template_id).descriptor().fields
    except DataPlaneError:
        return [value for value in parameters.values() if len(value) >= SHORTEST]
    keys = {field.key for field in fields if field.sensitive or field.value_type == "PASSWORD"}
    return [value for key, value in parameters.items() if key in keys and len(value) >= SHORTEST]
