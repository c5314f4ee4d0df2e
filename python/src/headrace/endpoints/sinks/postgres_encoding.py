"""Arrow as PostgreSQL's binary COPY has it, by pgpq: no value becomes a Python object.

What pgpq has no words for, ``postgres_columns`` gives it in others: decimals of
more than 38 digits as text, and lists of moments without their time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pgpq
import pyarrow as pa


def encoded(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The bytes of ``COPY … FROM STDIN (FORMAT binary)``, a block for each batch, which has the columns of ``schema``.

    Nothing is checked: what PostgreSQL has no value for must not be among them.
    """
    encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
    yield encoder.write_header()
    for batch in batches:
        yield encoder.write_batch(batch)
    yield encoder.finish()
