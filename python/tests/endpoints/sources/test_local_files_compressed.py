"""A compressed file is refused by what it is, with the command that decompresses it; never listed or read as text."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from endpoints.sources.local_files_reading import FULL, INCREMENTAL, carried, source

from headrace.errors import ConfigInvalid

TEXT = b"n\n1\n"


def by_arrow(codec: str) -> Callable[[bytes], bytes]:
    def compressed(content: bytes) -> bytes:
        into = pa.BufferOutputStream()
        with pa.CompressedOutputStream(into, codec) as stream:
            stream.write(content)
        return into.getvalue().to_pybytes()

    return compressed


COMPRESSIONS: list[tuple[str, str, str, Callable[[bytes], bytes]]] = [
    ("gzip", ".gz", "gunzip -k", gzip.compress),
    ("zstd", ".zst", "unzstd", by_arrow("zstd")),
    ("bzip2", ".bz2", "bunzip2 -k", bz2.compress),
    ("xz", ".xz", "unxz -k", lzma.compress),
    ("lz4", ".lz4", "unlz4", by_arrow("lz4")),
]
every_compression = pytest.mark.parametrize(("name", "ending", "undone_by", "compressed"), COMPRESSIONS)


@every_compression
@pytest.mark.parametrize("format_", ["", "csv", "jsonl"])
@pytest.mark.parametrize("mode", [FULL, INCREMENTAL], ids=["full", "incremental"])
@pytest.mark.parametrize("unit", ["orders.csv{}", "*.csv{}"])
def test_a_compressed_file_is_refused_by_its_name_or_by_what_it_holds(
    tmp_path: Path, name: str, ending: str, undone_by: str, compressed: Callable[[bytes], bytes],
    format_: str, mode: dict[str, str], unit: str,
) -> None:  # fmt: skip
    (tmp_path / f"orders.csv{ending}").write_bytes(compressed(TEXT))
    opened = source(tmp_path, **({"format": format_} if format_ else {}))

    with pytest.raises(ConfigInvalid, match=f"is compressed with {name}, .*{undone_by}, and name the file") as refusal:
        carried(opened, unit.format(ending), None, mode)

    assert refusal.value.details["compression"] == name


@every_compression
def test_a_compressed_file_with_the_name_of_a_plain_one_is_refused(
    tmp_path: Path, name: str, ending: str, undone_by: str, compressed: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "orders.csv").write_bytes(compressed(TEXT))

    with pytest.raises(ConfigInvalid, match=f"orders.csv is compressed with {name}"):
        carried(source(tmp_path), "orders.csv")


def test_compressed_files_are_no_units(tmp_path: Path) -> None:
    for _, ending, _, compressed in COMPRESSIONS:
        (tmp_path / f"orders.csv{ending}").write_bytes(compressed(TEXT))
    (tmp_path / "plain.csv").write_bytes(TEXT)

    assert [unit.unit_id for unit in source(tmp_path).list_units()] == ["plain.csv"]
