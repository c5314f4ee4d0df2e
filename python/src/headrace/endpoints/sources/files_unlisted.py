"""Why a place that is not empty has no unit: of its files nobody knows what they hold, or how to decompress them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from headrace.endpoints.sources.files_compressed import undone_by, without_compression
from headrace.endpoints.sources.files_names import formats_of_ending
from headrace.errors import ConfigInvalid

_MOST_LOOKED_AT = 10_000
"""Of files; what they are called shows by then."""


def refuse_unlisted(place: str, names: Iterator[str]) -> None:
    """Raises ``ConfigInvalid`` when the files of a place without units could be read in another way."""
    endings = Counter(_ending(name.lower()) for name in islice(names, _MOST_LOOKED_AT))
    for ending, count in endings.most_common():
        advice = _advice(ending)
        if advice is not None:
            files = "1 file that ends" if count == 1 else f"{count} files that end"
            raise ConfigInvalid(
                f"{place} holds nothing that is read as it is, and {files} in {ending}. {advice}",
                role="source",
                details={"field": "format", "path": place},
            )


def _ending(name: str) -> str:
    """``.log.gz`` of ``app.log.gz``, ``.bz2`` of ``app.log.bz2``."""
    plain = without_compression(name)
    return os.path.splitext(plain)[1] + name[len(plain) :]


def _advice(ending: str) -> str | None:
    plain = without_compression(ending)
    command, formats = undone_by(ending[len(plain) :] or ending), formats_of_ending(plain)
    if formats:
        return f"Such a name does not tell what a file holds: set format, such as {formats[0]}."
    if command is not None:
        return f"Files compressed like this are not read: decompress them, for example with {command}."
    return None
