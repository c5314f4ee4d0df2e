"""What a person may say of files wherever they lie: format, compression, how CSV is written. Parsed once."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from headrace.errors import ConfigInvalid

FileFormat: TypeAlias = Literal["parquet", "csv", "jsonl", "arrow"]
Compression: TypeAlias = Literal["snappy", "zstd", "gzip", "none"]


def parse_format(text: str) -> FileFormat | None:
    for known in get_args(FileFormat):
        if text == known:
            return known
    if text:
        raise _invalid("format", f"format is {text!r}. Choose one of {', '.join(get_args(FileFormat))}.")
    return None


def parse_compression(text: str) -> Compression:
    for known in get_args(Compression):
        if (text or "snappy") == known:
            return known
    raise _invalid("compression", f"compression is {text!r}. Choose one of {', '.join(get_args(Compression))}.")


def parse_delimiter(text: str) -> str | None:
    if not text:
        return None
    mark = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(mark) != 1 or not mark.isascii() or mark in '"\r\n\0':
        raise _invalid("delimiter", f"delimiter is {text!r}. Give one ASCII character that is no quote, or 'tab'.")
    return mark


def parse_header(text: str) -> bool:
    """Whether a CSV file names its columns in its first line."""
    if text in ("", "true", "false"):
        return text != "false"
    raise _invalid("header", f"header is {text!r}. Say true, or false of CSV files whose first line is a row.")


def _invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, details={"field": field})
