"""What divides the fields of a CSV file where nobody says it, and what to say to whoever knows better."""

from __future__ import annotations

import re
from collections.abc import Sequence

_OFTEN = (";", "\t", "|")
_IN_QUOTES = re.compile(rb'"[^"]*+(?:"|\Z)')


def delimiter_of(line: bytes) -> str:
    """A comma, unless there is none in the first line, and something else that often divides fields.

    Nothing but that line is looked at, so a file that grows is read as it began.
    """
    bare = _IN_QUOTES.sub(b"", line)
    if b"," in bare:
        return ","
    mark = max(_OFTEN, key=lambda mark: bare.count(mark.encode()))
    return mark if mark.encode() in bare else ","


def set_delimiter(mark: str) -> str:
    typed = "tab" if mark == "\t" else mark
    return f"set the parameter delimiter, such as delimiter={typed}"


def likely_delimiter(names: Sequence[str]) -> str:
    """What stands in the names of a header that was not divided there; a semicolon, which is the commonest, if none."""
    return max(_OFTEN, key=lambda mark: sum(name.count(mark) for name in names))
