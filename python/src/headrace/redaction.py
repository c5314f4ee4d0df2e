"""Keeps secrets out of what leaves the worker as text: log lines, messages of problems, defects.

While a call that brings secrets is in progress, their values are known here and
replaced wherever they turn up, also as they look inside a URL, in quotes or line
by line. What a template does not call sensitive is not hidden; parameters as a
whole are never written anywhere.

How far one is searched for depends on its length, as on the other end of the
socket (``Redaction.ts``; ``secrets.json`` holds the two together). A long one is
hidden anywhere, in the middle of a word too; one of a few letters as a word of its
own; a shorter one, or one of our own words, where it stands as a value: it is in
any text by chance, and hidden there it would be told by what is around it.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, quote_plus

import msgspec

from headrace.endpoints import registry
from headrace.protocol import EndpointRef, Json, Problem

MASK = "****"
SHORTEST_WORD = 4
SHORTEST_ANYWHERE = 8
SHORTEST_LINE = 16
"""A line of a longer secret, such as a key, is one by itself from this length on."""
OUR_WORDS = frozenset(
    {
        "check",
        "database",
        "discover",
        "doctor",
        "headrace",
        "password",
        "postgres",
        "postgresql",
        "sink",
        "source",
        "user",
        "username",
    }
)
"""What our own messages are full of; hiding one of these there would tell the password."""

_LETTER = r"[^\W_]"
_NAMED = "|".join(
    rf"(?<={before})"
    for before in (r"\w[=:]", r"\w['\"][=:]", r"\w[=:]['\"]", r"\w['\"][=:]['\"]", r"\w: ['\"]", r"\w['\"]: ['\"]")
)
"""What stands before a value: ``key=x``, ``key:x``, ``key: 'x'``, ``"key": "x"``; behind a colon and a blank a sentence
may begin."""


@dataclass(frozen=True, slots=True)
class _Form:
    """One look of a secret, and where it is one."""

    text: str
    pattern: re.Pattern[str]


class Redaction:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: Counter[_Form] = Counter()

    @contextmanager
    def hiding(self, endpoints: Iterable[EndpointRef]) -> Generator[None]:
        """Hide the sensitive parameters of ``endpoints`` for as long as the body runs."""
        values = [
            form for ref in endpoints for value in _sensitive(ref.template_id, ref.parameters) for form in _forms(value)
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
            forms = sorted(self._secrets, key=lambda form: len(form.text), reverse=True)
        for form in forms:
            text = form.pattern.sub(MASK, text)
        return text

    def _within(self, value: Json) -> Json:
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self._within(inner) for key, inner in cast("dict[str, Json]", value).items()}
        return [self._within(inner) for inner in cast("list[Json]", value)] if isinstance(value, list) else value


def _forms(secret: str) -> list[_Form]:
    return [_Form(look, re.compile(_pattern(secret, look))) for look in _looks(secret)]


def _pattern(secret: str, look: str) -> str:
    if len(secret) < SHORTEST_WORD or secret.lower() in OUR_WORDS:
        return rf"(?:{_NAMED}){re.escape(look)}(?=['\"]?(?:[\s,;&)}}\]]|\Z))"
    if len(secret) < SHORTEST_ANYWHERE:
        before, after = rf"(?<!{_LETTER})", rf"(?!{_LETTER})"
        return f"{before if look[0].isalnum() else ''}{re.escape(look)}{after if look[-1].isalnum() else ''}"
    return re.escape(look)


def _looks(secret: str) -> set[str]:
    """Everything a secret may look like in a text."""
    quoted = {repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    lines = {line for line in secret.splitlines() if len(line) >= SHORTEST_LINE}
    return {secret, *quoted, quote(secret, safe=""), quote(secret), quote_plus(secret), *lines}


def _sensitive(template_id: str, parameters: Mapping[str, str]) -> list[str]:
    try:
        fields = registry.described(template_id).descriptor().fields
    except Exception:  # whatever is wrong with the template is said elsewhere; nothing of it is known to be harmless
        return [value for value in parameters.values() if value]
    keys = {field.key for field in fields if field.sensitive or field.value_type == "PASSWORD"}
    return [value for key, value in parameters.items() if key in keys and value]
