"""What to say to whoever has a file whose fields something else divides."""

from __future__ import annotations

from collections.abc import Sequence

_OFTEN = (";", "\t", "|")


def set_delimiter(mark: str) -> str:
    typed = "tab" if mark == "\t" else mark
    return f"set the parameter delimiter, such as delimiter={typed}"


def likely_delimiter(names: Sequence[str]) -> str:
    """What stands in the names of a header that was not divided there; a semicolon, which is the commonest, if none."""
    return max(_OFTEN, key=lambda mark: sum(name.count(mark) for name in names))
