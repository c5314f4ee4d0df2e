"""The mirror of the protocol says what its definition says: the same names, fields and kinds, nothing on one side only.

Both are turned into shapes, which compare. How large a number and how long a
text may be stands in the definition alone; the control plane checks it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import msgspec.inspect as inspect
import pytest

from headrace import endpoint, events, protocol, templates
from headrace.calls import CALLS
from headrace.commit import canonical_json
from headrace.contract import CONTRACT_FINGERPRINT

Shape: TypeAlias = Any
"""A text, or ``(kind, what is in it)``, or the shapes of a message's fields by their names on the wire."""

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "packages/core/protocol/schema.json").read_text())
DEFINITIONS: Mapping[str, Any] = SCHEMA["$defs"]

OURS: Mapping[str, Any] = {**vars(protocol), **vars(templates), **vars(events)}

NAMED_OTHERWISE: Mapping[str, Any] = {
    "EndpointTemplate": templates.EndpointDescriptor,
    "Preview": protocol.PreviewRequest,
    "PreviewAnswer": protocol.Preview,
    "Templates": list[templates.EndpointDescriptor],
    "TestLevel": endpoint.TestLevel,
    "Units": list[protocol.UnitDescriptor],
}
"""Where a word of the definition has another name here: ``Preview`` is what a source returns, not what is asked."""

REQUESTS: Mapping[str, type[msgspec.Struct]] = {
    "hello": protocol.Hello,
    "runIngestionUnit": protocol.RunIngestionUnit,
    "decide": protocol.Decide,
    **{name: kind for name, (kind, _) in CALLS.items()},
}
"""What the worker decodes, by the name of the call."""

WORDS = {
    name: word
    for name, word in OURS.items()
    if isinstance(word, type) and issubclass(word, protocol.Word) and word not in (protocol.Word, events.Event)
}


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_a_message_has_the_fields_of_its_definition(name: str) -> None:
    ours = NAMED_OTHERWISE[name] if name in NAMED_OTHERWISE else OURS[name]

    assert _shape(inspect.type_info(ours)) == _defined(DEFINITIONS[name])


def test_no_message_is_without_a_definition() -> None:
    types = [NAMED_OTHERWISE.get(name) or OURS[name] for name in DEFINITIONS]

    assert {word for kind in types for word in _words(inspect.type_info(kind))} == set(WORDS.values())


def test_the_worker_takes_the_calls_of_the_contract_and_no_other() -> None:
    assert set(REQUESTS) == set(SCHEMA["calls"])


@pytest.mark.parametrize("name", sorted(SCHEMA["calls"]))
def test_a_call_is_asked_with_the_message_of_the_contract(name: str) -> None:
    assert _shape(inspect.type_info(REQUESTS[name])) == _defined(SCHEMA["calls"][name]["request"])


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_a_request_without_one_of_its_fields_or_with_one_more_is_no_request(name: str) -> None:
    kind = REQUESTS[name]
    whole = msgspec.to_builtins(_example(kind))
    assert msgspec.convert(whole, kind) == _example(kind)

    for broken in ({**whole, "more": 1}, *({k: v for k, v in whole.items() if k != left_out} for left_out in whole)):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(broken, kind)


@pytest.mark.parametrize("name", sorted(WORDS))
def test_an_answer_has_all_its_fields_also_those_that_say_nothing(name: str) -> None:
    word = WORDS[name]

    said = msgspec.to_builtins(_example(word))

    assert set(said) - {"_tag"} == {field.encode_name for field in msgspec.structs.fields(word)}


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_field_has_the_same_name_on_both_sides_but_for_its_case(name: str) -> None:
    for field in msgspec.structs.fields(WORDS[name]):
        ours = field.name.removesuffix("_")  # ``from`` is a word of Python

        assert _camel_case(ours) == field.encode_name
        assert _snake_case(field.encode_name) == ours


def test_the_fingerprint_is_that_of_the_contract() -> None:
    contract = {key: value for key, value in SCHEMA.items() if key != "$comment"}

    assert sha256(canonical_json(contract)).hexdigest() == CONTRACT_FINGERPRINT
    assert SCHEMA["protocolVersion"] == protocol.PROTOCOL_VERSION


# ---- shapes of the definition


def _defined(schema: Mapping[str, Any]) -> Shape:
    match schema:
        case {"$ref": reference}:
            return _defined(DEFINITIONS[reference.removeprefix("#/$defs/")])
        case {"anyOf": choices}:
            return _choice([_defined(choice) for choice in choices])
        case {"enum": values}:
            return _choice([("exactly", value) for value in values])
        case {"type": "array", "items": items}:
            return ("list", _defined(items))
        case {"type": "object", "properties": fields}:
            assert schema["required"] == list(fields) and schema["additionalProperties"] is False
            return ("message", {name: _defined(field) for name, field in fields.items()})
        case {"type": "object"}:
            return ("map", _defined(schema.get("additionalProperties", {})))
        case {"type": "string" | "integer" | "boolean" | "null" as kind}:
            return kind
        case _:
            assert schema == {}
            return "anything"


# ---- shapes of the mirror

_SCALARS: Mapping[type[inspect.Type], str] = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
    inspect.AnyType: "anything",
}


def _shape(kind: inspect.Type) -> Shape:
    if isinstance(kind, inspect.UnionType):
        return _choice([_shape(choice) for choice in kind.types])
    if isinstance(kind, inspect.LiteralType):
        return _choice([("exactly", value) for value in kind.values])
    if isinstance(kind, inspect.ListType):
        return ("list", _shape(kind.item_type))
    if isinstance(kind, inspect.DictType):
        assert isinstance(kind.key_type, inspect.StrType)
        return ("map", _shape(kind.value_type))
    if isinstance(kind, inspect.StructType):
        tag = {} if kind.tag is None else {kind.tag_field: ("exactly", kind.tag)}
        return ("message", {**tag, **{field.encode_name: _shape(field.type) for field in kind.fields}})
    return _SCALARS[type(kind)]


def _choice(shapes: list[Shape]) -> Shape:
    """One of several, in any order; ``anything`` covers the others."""
    flat = [inner for shape in shapes for inner in (shape[1] if shape[0] == "one of" else [shape])]
    if "anything" in flat:
        return "anything"
    return flat[0] if len(flat) == 1 else ("one of", sorted(flat, key=repr))


def _words(kind: inspect.Type) -> Iterator[type]:
    if isinstance(kind, inspect.StructType):
        yield kind.cls
        for field in kind.fields:
            yield from _words(field.type)
    elif isinstance(kind, inspect.UnionType):
        for choice in kind.types:
            yield from _words(choice)
    elif isinstance(kind, inspect.ListType):
        yield from _words(kind.item_type)


# ---- messages to try


def _example(kind: type[msgspec.Struct]) -> Any:
    return kind(**{field.name: _value(field.type) for field in _fields(kind) if field.required})


def _fields(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found.fields


def _value(kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.StructType):
        return _example(kind.cls)
    if isinstance(kind, inspect.UnionType):
        return _value(kind.types[0])
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, inspect.ListType | inspect.DictType):
        return [] if isinstance(kind, inspect.ListType) else {}
    return {"string": "text", "integer": 1, "boolean": True, "null": None, "anything": None}[_SCALARS[type(kind)]]


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _snake_case(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter.group().lower()}", name)
