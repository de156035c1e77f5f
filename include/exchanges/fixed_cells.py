"""Rows of digits to columns, eight digits at a time, where every row is built alike. Pure.

A page of candles holds nothing but times, counts and plain decimals, so its cells are found by
their commas and points and read as 64-bit words. Whatever is built otherwise (a sign, an exponent,
white space, a point less) is left alone: the caller then reads it in another, slower way. What is
read here is exact: a number below 2**53, divided once by a power of ten that is exact too, rounds
as ``float`` of the text does (Clinger, "How to Read Floating Point Numbers Accurately", 1990).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]
Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Build = Literal["whole", "decimal"]

_REACH: Final = 16
"""No more digits than these stand before a point or in a whole number."""
_PLACES: Final = 8
"""No more digits than these stand behind a point."""
_EXACT_BELOW: Final = 90_000_000
"""Times 10**8 this is still below 2**53."""
_POINT: Final = np.uint8(ord("."))
_QUOTE: Final = np.uint8(ord('"'))
_POINT_OR_COMMA: Final = np.uint8(2)
"""The one bit in which the two differ."""
_LOW_BYTE: Final = np.uint64(255)
_ZEROS: Final = np.uint64(0x3030303030303030)
_OVER_NINE: Final = np.uint64(0x7676767676767676)
_HIGH_BITS: Final = np.uint64(0x8080808080808080)


def _masks(*, last: bool) -> Words:
    """Return masks that keep the last or the first n bytes of a word, by n."""
    kept = [[0] * (8 - n) + [255] * n if last else [255] * n + [0] * (8 - n) for n in range(9)]
    return np.array(kept, dtype=np.uint8).view("<u8").reshape(9)


_KEEP_LAST: Final = _masks(last=True)
_KEEP_FIRST: Final = _masks(last=False)
_LEAST: Final = np.array([0, 0, *(10**n for n in range(1, _REACH))])
"""The smallest whole number of n digits, by n: JSON knows no leading zeros."""


@dataclass(frozen=True, slots=True)
class FixedLayout:
    """How a row is built: ``opening``, cells (decimals in quotes where ``quoted``), ``last``.

    A comma stands behind every cell and behind ``last``, which is the same in every row.
    """

    builds: tuple[Build, ...]
    last: bytes
    opening: bytes = b""
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class FixedTable:
    """Columns (columns, rows) of either build, in order; ``ends``: where each row's comma is."""

    wholes: Ints
    decimals: Floats
    ends: Ints


class FixedReader:
    """Reads texts of one layout."""

    def __init__(self, layout: FixedLayout) -> None:
        """Find out where in a row its commas and points come."""
        decimal = np.array([build == "decimal" for build in layout.builds])
        self._opening, self._quoted = layout.opening, int(layout.quoted)
        self._wholes = int(np.count_nonzero(~decimal))
        self._decimals = len(decimal) - self._wholes
        commas = np.cumsum(decimal + 1) - 1
        self._width = int(commas[-1]) + 2
        # Wholes come before decimals in all that follows.
        order = np.argsort(decimal, kind="stable")
        self._commas = commas[order][self._wholes :]
        self._ends = (commas - decimal)[order]
        self._before = np.append(-1, commas[:-1])[order]
        gaps = 1 + len(layout.opening) * (order == 0) + self._quoted * decimal[order]
        self._gaps = gaps[:, np.newaxis]
        tail = b"," + layout.last + b"," + layout.opening
        self._tail_at = _REACH - len(layout.last) - 1
        self._tail = np.uint64(int.from_bytes(tail.ljust(8, b"\0"), "little"))
        self._tail_mask = np.uint64((1 << 8 * len(tail)) - 1)
        self._quotes = layout.last.count(b'"') + 2 * self._quoted * self._decimals

    def read(self, text: bytes | memoryview, end: bytes = b"") -> FixedTable | None:
        """Return the columns of ``text`` and ``end``, None where a row is built in any other way.

        Every byte is accounted for: a mark is a comma or a point by its place, each byte of a cell
        is a digit, each row ends and begins as it must, and what is left are as many bytes as there
        must be quotes, and are quotes.
        """
        padded = b"".join((b"0" * _REACH, text, end, self._opening.ljust(2 * _REACH, b"0")))
        codes = np.frombuffer(padded, dtype=np.uint8)[_REACH : -2 * _REACH]
        found = np.flatnonzero((codes | _POINT_OR_COMMA) == _POINT)
        rows, rest = divmod(len(found), self._width)
        if rest or not rows or found[-1] != len(codes) - 1:
            return None
        marks = np.ascontiguousarray(found.reshape(rows, self._width).T)
        if not self._has_frame(padded, codes, marks):
            return None
        ends, before = marks[self._ends], marks[self._before]
        before[0, 1:], before[0, 0] = before[0, :-1].copy(), -1
        digits = ends - before
        digits -= self._gaps
        places = marks[self._commas] - ends[self._wholes :]
        places -= 1 + self._quoted
        values = _read_digits(padded, ends, digits, places)
        if values is None or (values[: self._wholes] < _LEAST[digits[: self._wholes]]).any():
            return None
        decimals = self._as_decimals(padded, values, ends, digits, places)
        # Copies, lest a few columns keep all that was needed on the way.
        return FixedTable(values[: self._wholes].copy(), decimals, marks[-1].copy())

    def _has_frame(self, padded: bytes, codes: NDArray[np.uint8], marks: Ints) -> bool:
        """Tell whether commas, points, quotes and the ends of rows are where they must be."""
        rows = marks.shape[1]
        tails = _words(padded, marks[-1] + self._tail_at, 1)[0]
        return padded.startswith(self._opening, _REACH) and bool(
            ((tails & self._tail_mask) == self._tail).all()
            and np.count_nonzero(codes == _POINT) == self._decimals * rows
            and np.count_nonzero(codes == _QUOTE) == self._quotes * rows
        )

    def _as_decimals(
        self, padded: bytes, values: Ints, ends: Ints, digits: Ints, places: Ints
    ) -> Floats:
        first, beyond = self._wholes, self._wholes + self._decimals
        whole, fraction = values[first:beyond], values[beyond : beyond + self._decimals]
        scaled = whole * 10**_PLACES
        scaled += fraction
        decimals = scaled / 10.0**_PLACES
        if whole.max() >= _EXACT_BELOW:
            points, digits = ends[first:], digits[first:]
            for at in np.flatnonzero(whole.ravel() >= _EXACT_BELOW).tolist():
                point = int(points.flat[at]) + _REACH
                start, end = point - int(digits.flat[at]), point + 1 + int(places.flat[at])
                decimals.flat[at] = float(padded[start:end])
        return decimals


def _read_digits(padded: bytes, ends: Ints, digits: Ints, places: Ints) -> Ints | None:
    """Return the numbers before ``ends``, then those behind the points, as eight-place fractions.

    Rows of ``ends`` that have ``places`` are the last ones. What follows them is of no use.
    """
    longest = digits.max(axis=1)
    if digits.min() < 1 or longest.max() > _REACH or places.min() < 1 or places.max() > _PLACES:
        return None
    cells, wide = len(ends), np.flatnonzero(longest > 8)
    both = cells + len(places)
    words = np.empty((both + len(wide), ends.shape[1]), dtype=np.uint64)
    keep = np.empty_like(words)
    fetched = _words(padded, ends, 4)
    points = fetched[2][-len(places) :]
    if ((points & _LOW_BYTE) != _POINT).any():
        return None
    words[:cells] = fetched[1]
    words[cells:both] = (points >> np.uint64(8)) | (fetched[3][-len(places) :] << np.uint64(56))
    words[both:] = fetched[0][wide]
    _KEEP_LAST.take(digits, mode="clip", out=keep[:cells])
    _KEEP_FIRST.take(places, mode="clip", out=keep[cells:both])
    keep[both:] = _KEEP_LAST.take(digits[wide] - 8, mode="clip")
    values = _eight_digits(words, keep)
    if values is not None:
        values[wide] += values[both:] * 10**8
    return values


def _words(padded: bytes, positions: Ints, count: int) -> list[Words]:
    """Return the ``count`` words of eight bytes that begin at each of ``positions``."""
    size = 8 * count
    # A type without alignment is fetched where it lies, in one step.
    shape = (len(padded) - size + 1,)
    every = np.ndarray(shape, dtype=f"V{size}", buffer=padded, strides=(1,))
    fetched: Any = every[positions].view("<u8").reshape(*positions.shape, count)
    return [fetched[..., at] for at in range(count)]


def _eight_digits(words: Words, keep: Words) -> Ints | None:
    """Return the numbers whose digits are the kept bytes of ``words``; None if one is no digit.

    Both are used up.
    """
    words ^= _ZEROS
    words &= keep
    np.add(words, _OVER_NINE, out=keep)
    keep |= words
    if np.bitwise_or.reduce(keep, axis=None) & _HIGH_BITS:
        return None
    # Pairs, then fours, then all eight (Lemire, "Quickly parsing eight digits", 2018).
    np.multiply(words, np.uint64(10), out=keep)
    words >>= np.uint64(8)
    words += keep
    np.right_shift(words, np.uint64(16), out=keep)
    words &= np.uint64(0x000000FF000000FF)
    words *= np.uint64(0x000F424000000064)
    keep &= np.uint64(0x000000FF000000FF)
    keep *= np.uint64(0x0000271000000001)
    words += keep
    words >>= np.uint64(32)
    return words.view(np.int64)
