"""Which compressions there are, by name and by content, and which of them are read.

CSV and JSON lines are read as they are when their name says that they are
compressed with gzip or zstd. Parquet and Arrow have compression of their own
inside. Whoever names another compressed file, or one whose name hides it, is
told what it is and what to do.
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
    is_read: bool = False


_KNOWN = (
    Compression(name="gzip", ending=".gz", magic=b"\x1f\x8b", undone_by="gunzip -k", is_read=True),
    Compression(name="zstd", ending=".zst", magic=b"\x28\xb5\x2f\xfd", undone_by="unzstd", is_read=True),
    Compression(name="bzip2", ending=".bz2", magic=b"BZh", undone_by="bunzip2 -k"),
    Compression(name="xz", ending=".xz", magic=b"\xfd7zXZ", undone_by="unxz -k"),
    Compression(name="lz4", ending=".lz4", magic=b"\x04\x22\x4d\x18", undone_by="unlz4"),
)


def compression_of(name: str) -> Compression | None:
    """The compression that is read and that a name tells of; None for a plain file."""
    return next((known for known in _KNOWN if known.is_read and name.lower().endswith(known.ending)), None)


def without_compression(name: str) -> str:
    """``orders.csv`` of ``orders.csv.gz``: what the name says of the content."""
    found = compression_of(name)
    return name if found is None else name[: -len(found.ending)]


def refuse_compressed_name(name: str) -> None:
    """Raises ``ConfigInvalid`` for ``orders.csv.xz`` and its like, and for ``orders.parquet.gz``."""
    for known in _KNOWN:
        if name.lower().endswith(known.ending):
            what = "of compressed files only CSV and JSON lines are" if known.is_read else "such files are not"
            raise _refused(name, known, f"and {what} read. {_decompress(known)}")


def refuse_compressed(shown: str, head: bytes) -> None:
    """Raises ``ConfigInvalid`` for text that begins as compressed files do."""
    for known in _KNOWN:
        if head.startswith(known.magic):
            if compression_of(shown) is not None:
                raise _refused(shown, known, f"once more inside. {_decompress(known)}")
            if known.is_read:
                raise _refused(shown, known, f"and its name hides it. Let it end in {known.ending}.")
            raise _refused(shown, known, f"and such files are not read. {_decompress(known)}")


def undone_by(ending: str) -> str | None:
    """The command that decompresses files of this ending; None when they are not compressed."""
    return next((known.undone_by for known in _KNOWN if known.ending == ending), None)


def _decompress(found: Compression) -> str:
    return f"Decompress it, for example with {found.undone_by}, and name the file that comes of it."


def _refused(shown: str, found: Compression, why: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"{shown} is compressed with {found.name}, {why}",
        role="source",
        details={"path": shown, "compression": found.name},
    )
