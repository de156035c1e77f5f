"""The venue's own text of many rows in one buffer, instead of an object for every row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

Index: TypeAlias = NDArray[Any] | slice
"""Which rows to choose: a mask, positions or a slice."""


class RowTexts(Sequence[bytes]):
    """An unchanging sequence of texts, equal to any other sequence of the same texts.

    ``lines`` holds every text followed by one byte, a newline; text ``n`` begins at ``starts[n]``,
    and ``starts`` has one entry more than there are texts. A text may itself hold newlines.
    """

    __slots__ = ("lines", "starts")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, lines: bytes, starts: NDArray[np.int64]) -> None:
        """Hold ``lines``, whose texts begin at ``starts``."""
        self.lines, self.starts = lines, starts

    def __len__(self) -> int:
        """Count the texts."""
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> RowTexts: ...
    def __getitem__(self, index: int | slice) -> bytes | RowTexts:
        """Return one text, or those of a slice."""
        if isinstance(index, slice):
            return self.take(index)
        position = range(len(self))[index]
        return self.lines[self.starts[position] : self.starts[position + 1] - 1]

    def __iter__(self) -> Iterator[bytes]:
        """Yield the texts in order."""
        bounds = self.starts.tolist()
        for start, end in pairwise(bounds):
            yield self.lines[start : end - 1]

    def __eq__(self, other: object) -> bool:
        """Tell whether ``other`` holds the same texts."""
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        """Return the texts as a list would show them."""
        return repr(list(self))

    def take(self, index: Index) -> RowTexts:
        """Return the texts that a mask, positions or a slice choose."""
        if isinstance(index, slice):
            first, beyond, step = index.indices(len(self))
            if step == 1:
                starts = self.starts[first : max(first, beyond) + 1]
                return RowTexts(self.lines[starts[0] : starts[-1]], starts - starts[0])
        positions = np.arange(len(self))[index]
        bounds = self.starts.tolist()
        return as_texts([self.lines[bounds[at] : bounds[at + 1] - 1] for at in positions.tolist()])


def as_texts(texts: Iterable[bytes]) -> RowTexts:
    """Return ``texts`` in one buffer."""
    if isinstance(texts, RowTexts):
        return texts
    pieces = list(texts)
    starts = np.fromiter(
        accumulate((len(piece) + 1 for piece in pieces), initial=0), dtype=np.int64
    )
    return RowTexts(b"\n".join([*pieces, b""]), starts)


def join_texts(parts: Sequence[Iterable[bytes]]) -> RowTexts:
    """Return the texts of all ``parts``, one after the other."""
    joined, begin = [as_texts(part) for part in parts], 0
    starts = [np.zeros(1, dtype=np.int64)]
    for part in joined:
        starts.append(part.starts[1:] + begin)
        begin += len(part.lines)
    return RowTexts(b"".join(part.lines for part in joined), np.concatenate(starts))
