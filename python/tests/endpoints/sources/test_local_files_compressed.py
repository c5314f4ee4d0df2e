"""A compressed file that is not read is refused by what it is, with the remedy; never listed or read as text."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from endpoints.sources.compressing import by_arrow
from endpoints.sources.local_files_reading import FULL, INCREMENTAL, carried, listed, source

from headrace.errors import ConfigInvalid

TEXT = b"n\n1\n"

REFUSED: list[tuple[str, str, str, Callable[[bytes], bytes]]] = [
    ("bzip2", ".bz2", "bunzip2 -k", bz2.compress),
    ("xz", ".xz", "unxz -k", lzma.compress),
    ("lz4", ".lz4", "unlz4", by_arrow("lz4")),
]
every_refused = pytest.mark.parametrize(("name", "ending", "undone_by", "compressed"), REFUSED)


@every_refused
@pytest.mark.parametrize("format_", ["", "csv", "jsonl"])
@pytest.mark.parametrize("mode", [FULL, INCREMENTAL], ids=["full", "incremental"])
@pytest.mark.parametrize("unit", ["orders.csv{}", "*.csv{}"])
def test_a_file_of_another_compression_is_refused_by_its_name_or_by_what_it_holds(
    tmp_path: Path, name: str, ending: str, undone_by: str, compressed: Callable[[bytes], bytes],
    format_: str, mode: dict[str, str], unit: str,
) -> None:  # fmt: skip
    (tmp_path / f"orders.csv{ending}").write_bytes(compressed(TEXT))
    opened = source(tmp_path, **({"format": format_} if format_ else {}))

    with pytest.raises(ConfigInvalid, match=f"is compressed with {name}, .*{undone_by}, and name the file") as refusal:
        carried(opened, unit.format(ending), None, mode)

    assert refusal.value.details["compression"] == name


@pytest.mark.parametrize(("name", "compressed", "remedy"), [
    ("gzip", gzip.compress, r"end in \.gz"),
    ("zstd", by_arrow("zstd"), r"end in \.zst"),
    *((name, compressed, undone_by) for name, _, undone_by, compressed in REFUSED),
])  # fmt: skip
def test_a_compressed_file_with_the_name_of_a_plain_one_is_refused(
    tmp_path: Path, name: str, compressed: Callable[[bytes], bytes], remedy: str
) -> None:
    (tmp_path / "orders.csv").write_bytes(compressed(TEXT))

    with pytest.raises(ConfigInvalid, match=f"orders.csv is compressed with {name}, .*{remedy}"):
        carried(source(tmp_path), "orders.csv")


def test_a_file_that_is_compressed_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(gzip.compress(TEXT)))

    with pytest.raises(ConfigInvalid, match="compressed with gzip, once more inside"):
        carried(source(tmp_path), "orders.csv.gz")


def test_only_files_of_compressions_that_are_read_are_units(tmp_path: Path) -> None:
    for _, ending, _, compressed in REFUSED:
        (tmp_path / f"orders.csv{ending}").write_bytes(compressed(TEXT))
    for name in ("a.csv.gz", "b.CSV.GZ", "c.jsonl.zst", "d.parquet.gz", "e.gz", "plain.csv"):
        (tmp_path / name).write_bytes(TEXT)

    assert listed(tmp_path) == ["a.csv.gz", "b.CSV.GZ", "c.jsonl.zst", "plain.csv"]


def test_a_parquet_file_is_not_read_through_another_compression(tmp_path: Path) -> None:
    (tmp_path / "orders.parquet.gz").write_bytes(gzip.compress(TEXT))

    with pytest.raises(ConfigInvalid, match=r"of compressed files only CSV and JSON lines are read.*gunzip -k"):
        carried(source(tmp_path), "orders.parquet.gz")


@pytest.mark.parametrize(("name", "advice"), [
    ("app.log.gz", "set format, such as jsonl"),
    ("orders.csv.bz2", "bunzip2 -k"),
    ("orders.parquet.zst", "unzstd"),
])  # fmt: skip
def test_a_folder_whose_files_are_all_compressed_otherwise_says_what_to_do(
    tmp_path: Path, name: str, advice: str
) -> None:
    (tmp_path / name).write_bytes(TEXT)

    with pytest.raises(ConfigInvalid, match=advice):
        listed(tmp_path)
