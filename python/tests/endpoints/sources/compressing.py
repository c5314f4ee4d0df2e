"""Compressed files as other programs write them, for the tests of sources that read them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping

import pyarrow as pa

Compressing = Callable[[bytes], bytes]


def by_arrow(codec: str) -> Compressing:
    def compressed(content: bytes) -> bytes:
        into = pa.BufferOutputStream()
        with pa.CompressedOutputStream(into, codec) as stream:
            stream.write(content)
        return into.getvalue().to_pybytes()

    return compressed


READ: Mapping[str, Compressing] = {".gz": gzip.compress, ".zst": by_arrow("zstd")}
"""The compressions that are read, by ending."""


def in_members(ending: str, content: bytes, size: int) -> bytes:
    """Many members or frames one after the other, as programs write that append, or that compress side by side."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(READ[ending](piece) for piece in pieces)
