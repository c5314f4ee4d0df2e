"""Commit records chain: one value has one sequence of bytes, and one unit one name."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.commit import canonical_json, commit_record, first_hash, record_hash, unit_path
from headrace.protocol import CommitRecord
from headrace.staging import Seal, Slice

_texts = st.text(st.characters(exclude_categories=["Cs"]))
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner) | st.dictionaries(_texts, inner),
    max_leaves=8,
)

RECORD = CommitRecord(
    unit="dev/shop/orders/lake", generation=1, slice_seq=0, from_ckpt=None, to_ckpt={"next": 2, "é": [1, None]}, rows=2,
    sha256="ab", epoch=3, prev_hash=first_hash("dev/shop/orders/lake", 1),
)  # fmt: skip


@given(_json)
def test_canonical_json_is_json_and_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    shuffled = json.loads(json.dumps(value), object_pairs_hook=lambda pairs: dict(reversed(pairs)))

    assert json.loads(canonical_json(value)) == value
    assert canonical_json(shuffled) == canonical_json(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [-float("inf")]}])
def test_what_json_cannot_say_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


def test_a_record_is_hashed_as_the_wire_spells_it() -> None:
    """The bytes are part of what sinks keep, so they never change."""
    bytes_ = (
        f'{{"epoch":3,"fromCkpt":null,"generation":1,"prevHash":"{RECORD.prev_hash}","rows":2,"sha256":"ab",'
        '"sliceSeq":0,"toCkpt":{"next":2,"é":[1,null]},"unit":"dev/shop/orders/lake"}'
    ).encode()

    assert canonical_json(msgspec.to_builtins(RECORD)) == bytes_
    assert record_hash(RECORD) == sha256(bytes_).hexdigest()
    assert first_hash("dev/shop/orders/lake", 1) == sha256(b"dev/shop/orders/lake/1").hexdigest()


@pytest.mark.parametrize(
    "field", ["unit", "generation", "slice_seq", "to_ckpt", "rows", "sha256", "epoch", "prev_hash"]
)
def test_a_record_that_was_changed_has_another_hash(field: str) -> None:
    value = getattr(RECORD, field)
    changed = msgspec.structs.replace(RECORD, **{field: value + 1 if isinstance(value, int) else f"{value}!"})

    assert record_hash(changed) != record_hash(RECORD)


@given(st.lists(_texts, min_size=4, max_size=4), st.lists(_texts, min_size=4, max_size=4))
def test_two_units_never_share_a_name(one: list[str], other: list[str]) -> None:
    assert (unit_path(*one) == unit_path(*other)) is (one == other)
    assert [unquote(part) for part in unit_path(*one).split("/")] == one


def test_a_name_is_written_as_javascript_writes_it() -> None:
    assert (
        unit_path("dev", "a/b", "public.Order Items", "ü-_.!~*'()") == "dev/a%2Fb/public.Order%20Items/%C3%BC-_.!~*'()"
    )


def test_a_record_says_what_the_slice_and_its_seal_say() -> None:
    slice_ = Slice(seq=4, bounds="opaque", from_checkpoint={"next": 1}, to_checkpoint={"next": 2})

    record = commit_record(
        unit="u", generation=5, epoch=6, slice_=slice_, seal=Seal(rows=7, bytes=8, sha256="cd"), prev_hash="ef"
    )

    assert record == CommitRecord(
        unit="u", generation=5, slice_seq=4, from_ckpt={"next": 1}, to_ckpt={"next": 2}, rows=7, sha256="cd", epoch=6,
        prev_hash="ef",
    )  # fmt: skip
