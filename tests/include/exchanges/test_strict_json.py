import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.strict_json import parse_strict
from include.market.errors import SourceUnavailableError

# What a database can store: no NUL, no half of a surrogate pair.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(documents, st.booleans())
def test_sound_documents_pass_unchanged(document: object, as_ascii: bool) -> None:
    assert parse_strict(json.dumps(document, ensure_ascii=as_ascii).encode()) == document


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'[[1499040000000,"0.01',
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e999]",
        b'{"a":1,"a":2}',
        b'[{"a":1,"\\u0061":2}]',
        b"\xff\xfe",
        b'["caf\xe9"]',
        b"\xef\xbb\xbf{}",
        b"<html>busy</html>",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 33 + b"]" * 33,
        b'{"a":[1,' * 17 + b"1" + b"]}" * 17,
        b"9" * 5000,
        b'["\\u0000"]',
        b'{"\\ud800":1}',
        b"[1] [2]",
        b"\x1b[31m",
    ],
    ids=[
        "empty",
        "cut",
        "nan",
        "infinity",
        "minus infinity",
        "too large",
        "too small",
        "repeated key",
        "repeated escaped key",
        "utf-16",
        "latin-1",
        "byte order mark",
        "html",
        "deep lists",
        "deep objects",
        "33 levels",
        "34 mixed levels",
        "long",
        "nul",
        "half a surrogate pair",
        "two documents",
        "escape sequence",
    ],
)
def test_damage_is_retryable_and_said_on_one_harmless_line(body: bytes) -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        parse_strict(body)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def nested(levels: int) -> Any:
    document: Any = 1
    for _ in range(levels):
        document = [document]
    return document


def test_brackets_inside_text_are_no_nesting() -> None:
    document = {"msg": "[" * 100, "}{": ["]["]}
    assert parse_strict(json.dumps(document).encode()) == document


def test_exactly_the_agreed_levels_pass() -> None:
    assert parse_strict(json.dumps(nested(32)).encode()) == nested(32)
