import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.printable import printable


@given(st.text() | st.binary(), st.integers(1, 300))
def test_whatever_came_is_short_printable_ascii(text: str | bytes, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= limit


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert printable(text.encode()) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[31mb", r"a\x1b[31mb"), ("a\nb", r"a\nb"), ("é", r"\xe9"), (b"\xff", r"\xff")],
)
def test_the_rest_is_escaped(text: str | bytes, shown: str) -> None:
    assert printable(text) == shown
