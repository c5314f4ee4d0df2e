"""Hive partitions: which columns a person named, and the folder that the rows of one value lie in.

Readers learn the values of a file's rows from ``<column>=<value>`` in its path and
skip folders that they do not want. What a folder says must come back as the value
it stands for, so what one of them would read as another value has no folder.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from headrace.errors import ConfigInvalid
from headrace.suggestions import did_you_mean

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"

_LAYOUT = ("gen", "slice")
"""What the folders above are called; readers do not tell a name's capitals apart."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MOST_BYTES = 255
"""Of a name on any file system we know."""


class NoFolder(ValueError):
    """A value for which there is no folder."""


def parse_partition_by(text: str) -> tuple[str, ...]:
    """Names separated by commas; none for nothing. Raises ``ConfigInvalid`` naming the parameter."""
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise invalid(
                f"partition_by names {name!r}. A folder is called like its column, so that has letters, digits, '-', "
                "'.' and '_', the first a letter or a digit. Rename the column with a view."
            )
        if name.lower() in _LAYOUT:
            raise invalid(f"partition_by names {name}, as folders above are called. Rename the column with a view.")
    if len({name.lower() for name in names}) < len(names):
        raise invalid(f"partition_by names a column twice: {', '.join(names)}. Name each once.")
    return names


def refuse_unknown(names: tuple[str, ...], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise invalid(f"The unit has no column {name}, which partition_by names.{did_you_mean(name, known)}")


def folder(name: str, value: str | None) -> str:
    """``<name>=<value>``, in which all but letters, digits, ``_``, ``.``, ``-`` and ``~`` is percent-encoded.

    Raises:
        NoFolder: No reader, or not every one, would read the value from it.
    """
    if value is None:
        return f"{name}={NULL_FOLDER}"
    if value == NULL_FOLDER:
        raise NoFolder("readers take it for NULL")
    encoded = quote(value, safe="")
    if value.lower() == "null":  # as it is, DuckDB takes it for NULL
        encoded = f"%{ord(value[0]):02X}{value[1:]}"
    found = f"{name}={encoded}"
    if len(found) > _MOST_BYTES:
        raise NoFolder(f"its folder would have a name of {len(found)} bytes, and {_MOST_BYTES} are possible")
    return found


def partitioned_by(file: str) -> tuple[str, ...]:
    """The columns whose folders a file of a slot lies in."""
    return tuple(segment.partition("=")[0] for segment in file.split("/")[:-1])


def invalid(message: str) -> ConfigInvalid:
    return ConfigInvalid(message, role="sink", details={"field": "partition_by"})
