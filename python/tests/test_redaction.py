"""Which texts are secrets, for how long, and whatever they look like."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.protocol import EndpointRef, Problem
from headrace.redaction import MASK, OUR_WORDS, SHORTEST_ANYWHERE, SHORTEST_WORD, Redaction

GOLDENS = json.loads((Path(__file__).parents[2] / "packages/core/protocol/secrets.json").read_text())

_texts = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]))
_long = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=SHORTEST_ANYWHERE)
_words = st.text(
    st.characters(exclude_characters="*", exclude_categories=["Cs"]),
    min_size=SHORTEST_WORD,
    max_size=SHORTEST_ANYWHERE - 1,
)


def endpoint(template_id: str = "jdbc.postgres", **parameters: str) -> EndpointRef:
    return EndpointRef(id="shop", template_id=template_id, parameters=parameters)


def hidden(text: str, *endpoints: EndpointRef) -> str:
    redaction = Redaction()
    with redaction.hiding(endpoints):
        return redaction(text)


LOOKS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in quotes": lambda secret: repr(secret)[1:-1],
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in readable JSON": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "in a URL": lambda secret: quote(secret, safe=""),
    "in a path": quote,
    "in a form": quote_plus,
}


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["name"])
def test_a_secret_is_told_as_both_ends_agreed(golden: dict[str, str]) -> None:
    assert hidden(golden["text"], endpoint(password=golden["secret"])) == golden["told"]


@pytest.mark.parametrize("look", LOOKS)
@given(secret=_long.filter(lambda secret: secret.lower() not in OUR_WORDS), around=_texts)
def test_a_long_secret_is_hidden_whatever_it_looks_like(look: str, secret: str, around: str) -> None:
    written = LOOKS[look](secret)

    found = hidden(f"{around}{written}{around}", endpoint(password=secret))

    assert written not in found
    assert MASK in found


@pytest.mark.parametrize("look", LOOKS)
@given(secret=_words.filter(lambda secret: secret.lower() not in OUR_WORDS))
def test_a_secret_of_a_few_letters_is_a_word_whatever_it_looks_like(look: str, secret: str) -> None:
    written = LOOKS[look](secret)

    assert hidden(f"of {written}, ({written})", endpoint(password=secret)) == f"of {MASK}, ({MASK})"


@pytest.mark.parametrize("word", sorted(OUR_WORDS))
def test_a_secret_that_is_one_of_our_own_words_is_hidden_as_a_value_alone(word: str) -> None:
    text = f"{word}: the {word} of {word}s"

    assert hidden(f"{text} (token={word})", endpoint(password=word)) == f"{text} (token={MASK})"


@pytest.mark.parametrize(
    ("template_id", "parameters", "shown"),
    [
        ("jdbc.postgres", {"host": "canary", "username": "canary"}, True),
        ("jdbc.postgres", {"password": "canary"}, False),
        ("jdbc.postgres", {"ssl_client_key": "canary"}, False),
        ("test.gone", {"host": "canary"}, False),
        ("jdbc.postgres", {"password": "can"}, True),
    ],
    ids=[
        "fields that are not sensitive",
        "a password",
        "a sensitive field",
        "anything of an unknown template",
        "too short",
    ],
)
def test_what_the_template_calls_sensitive_is_a_secret(
    template_id: str, parameters: dict[str, str], shown: bool
) -> None:
    (value, *_) = parameters.values()

    assert (value in hidden(f"of {value}!", endpoint(template_id, **parameters))) is shown


def test_a_line_of_a_longer_secret_is_one_by_itself() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n"

    assert hidden("read MIIEvQIBADANBgkqhkiG9w0B", endpoint(password=key)) == f"read {MASK}"


def test_a_secret_that_holds_another_is_hidden_whole() -> None:
    assert hidden("open-sesame", endpoint(password="open"), endpoint(password="open-sesame")) == MASK


def test_a_secret_is_hidden_while_any_call_that_brought_it_lasts() -> None:
    redaction = Redaction()
    one, other = redaction.hiding([endpoint(password="canary")]), redaction.hiding([endpoint(password="canary")])
    one.__enter__()
    other.__enter__()

    one.__exit__(None, None, None)
    in_between = redaction("canary")
    other.__exit__(None, None, None)

    assert (in_between, redaction("canary")) == (MASK, "canary")


def test_a_problem_loses_the_secret_wherever_it_is_and_nothing_else() -> None:
    redaction = Redaction()
    problem = Problem(
        tag="ConfigInvalid", retry="AfterFix", role="source", message="no canary",
        details={"deep": [{"er": "canary"}, 7, None], "field": "password"},
    )  # fmt: skip

    with redaction.hiding([endpoint(password="canary")]):
        found = redaction.problem(problem)

    assert found == Problem(
        tag="ConfigInvalid", retry="AfterFix", role="source", message=f"no {MASK}",
        details={"deep": [{"er": MASK}, 7, None], "field": "password"},
    )  # fmt: skip
    assert problem.message == "no canary"


def test_the_secrets_of_every_endpoint_of_a_call_are_hidden() -> None:
    both: Iterable[EndpointRef] = (endpoint(password="canary"), endpoint("test.odd", password="finch"))

    assert hidden("canary and finch", *both) == f"{MASK} and {MASK}"
