import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.strict_json import parse_strict
from include.market.errors import SourceUnavailableError

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(documents)
def test_sound_documents_pass_unchanged(document: object) -> None:
    assert parse_strict(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'[[1499040000000,"0.01',
        b"NaN",
        b"[Infinity]",
        b'{"a":1,"a":2}',
        b"\xff\xfe",
        b"<html>busy</html>",
        b"[" * 100_000,
        b"9" * 5000,
    ],
    ids=["empty", "cut", "nan", "infinity", "repeated key", "utf-16", "html", "deep", "long"],
)
def test_damage_is_retryable_and_said_on_one_line(body: bytes) -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        parse_strict(body)
    assert "\n" not in str(caught.value)
