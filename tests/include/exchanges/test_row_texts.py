"""Texts in one buffer behave as the list of them does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.row_texts import RowTexts, as_texts, join_texts

TEXTS = st.lists(st.binary(max_size=5), max_size=8)


@given(TEXTS, st.slices(8))
def test_it_reads_as_the_list(texts: list[bytes], part: slice) -> None:
    packed = as_texts(texts)
    assert (len(packed), list(packed), packed[part]) == (len(texts), texts, texts[part])
    assert [packed[at] for at in range(-len(texts), len(texts))] == texts + texts
    assert packed.lines == b"".join(text + b"\n" for text in texts)


@given(TEXTS, st.data())
def test_positions_and_masks_choose_as_numpy_does(texts: list[bytes], data: st.DataObject) -> None:
    count = len(texts)
    places = data.draw(st.lists(st.integers(0, count - 1)) if count else st.just([]))
    assert as_texts(texts).take(np.array(places, dtype=np.int64)) == [texts[at] for at in places]
    mask = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    chosen = [text for text, keep in zip(texts, mask, strict=True) if keep]
    assert as_texts(texts).take(np.array(mask, dtype=np.bool_)) == chosen


@given(st.lists(TEXTS, max_size=4))
def test_parts_follow_each_other(parts: list[list[bytes]]) -> None:
    mixed = [as_texts(part) if at % 2 else part for at, part in enumerate(parts)]
    joined = join_texts(mixed)
    assert joined == [text for part in parts for text in part]
    assert joined[1:] == list(joined)[1:]


def test_a_text_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        as_texts([b"a"])[1]


def test_other_texts_are_not_equal() -> None:
    assert as_texts([b"a", b"b"]) != [b"a"]
    assert as_texts([b"a"]) != 7
    assert RowTexts(b"", np.zeros(1, dtype=np.int64)) == []
