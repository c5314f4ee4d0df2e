"""Compressed files, which are not read.

A slice begins at a place in its file, and that place can be found in compressed
text only by decompressing everything before it, for every slice anew. So who
names such a file is told what it is and how to decompress it, whether its name
says so or only its first bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    name: str
    ending: str
    magic: bytes
    """What every such file begins with."""
    undone_by: str


_KNOWN = (
    Compression(name="gzip", ending=".gz", magic=b"\x1f\x8b", undone_by="gunzip -k"),
    Compression(name="zstd", ending=".zst", magic=b"\x28\xb5\x2f\xfd", undone_by="unzstd"),
    Compression(name="bzip2", ending=".bz2", magic=b"BZh", undone_by="bunzip2 -k"),
    Compression(name="xz", ending=".xz", magic=b"\xfd7zXZ", undone_by="unxz -k"),
    Compression(name="lz4", ending=".lz4", magic=b"\x04\x22\x4d\x18", undone_by="unlz4"),
)


def refuse_compressed_name(name: str) -> None:
    """Raises ``ConfigInvalid`` for ``orders.csv.gz`` and its like."""
    for known in _KNOWN:
        if name.lower().endswith(known.ending):
            raise _refused(name, known)


def refuse_compressed(shown: str, head: bytes) -> None:
    """Raises ``ConfigInvalid`` for a file that begins as compressed ones do."""
    for known in _KNOWN:
        if head.startswith(known.magic):
            raise _refused(shown, known)


def undone_by(ending: str) -> str | None:
    """The command that decompresses files of this ending; None when they are not compressed."""
    return next((known.undone_by for known in _KNOWN if known.ending == ending), None)


def _refused(shown: str, found: Compression) -> ConfigInvalid:
    return ConfigInvalid(
        f"{shown} is compressed with {found.name}, and compressed files are not read. Decompress it, for example with "
        f"{found.undone_by}, and name the file that comes of it.",
        role="source",
        details={"path": shown, "compression": found.name},
    )
