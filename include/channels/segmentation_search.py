"""The exact search for the best cut into lines as a value that can be stored and gone on with.

See ``segmentation_kernel`` for what is searched and how. A search that has seen a whole number of
blocks goes on as if it had never stopped, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.channels.noise import Array
from include.channels.segmentation_kernel import BLOCK, GROUP, Crowd, cut_lines, make_room

Indices = NDArray[np.int64]
Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, eq=False)
class LineSearch:
    """All candidates after ``seen`` values, a multiple of ``BLOCK``; never changed in place.

    ``best`` is the least cost of cutting these values. ``pool`` holds the members of ``groups``,
    ``loose`` the youngest candidates, ``lead`` the winner, ``spans`` where the members of each
    group end and when it is looked at next.
    """

    seen: int
    best: float
    pool: Crowd
    groups: Crowd
    loose: Crowd
    lead: Crowd
    spans: Indices

    @classmethod
    def fresh(cls) -> LineSearch:
        """Return the search before the first value."""
        crowds = make_room(0), make_room(0), make_room(0), make_room(0)
        return cls(0, 0.0, *crowds, np.empty((2, 0), dtype=np.int64))

    def look_ahead(
        self, times: Array, values: Array, prices: Array, min_length: int, per_log_length: float
    ) -> tuple[Array, Indices, LineSearch]:
        """Go on with more values; return costs, last starts and the search after them.

        ``costs[i]`` is the least cost of cutting the first ``seen + i`` values and ``starts[i]``
        where the last segment of that cut starts; both have one place more than ``values``, and so
        has ``prices``, see ``cut_lines``. The search returned may go on only if ``values`` were
        whole blocks.
        """
        count, young = len(values), self.loose[1].shape[1]
        more = (young + count) // GROUP
        pool, groups = _widen(self.pool, more * GROUP), _widen(self.groups, more)
        loose = _widen(self.loose, 2 * GROUP + BLOCK - young)
        lead = _widen(self.lead, 1 - self.lead[1].shape[1])
        spans = np.concatenate([self.spans, np.empty((2, more), dtype=np.int64)], axis=1)
        costs, starts = np.empty(count + 1), np.zeros(count + 1, dtype=np.int64)
        costs[0] = self.best
        crowds = (self.pool, self.groups, self.loose, self.lead)
        sizes = np.array([places.shape[1] for _, places in crowds], dtype=np.int64)
        cut_lines(
            times, values, prices, per_log_length, min_length, self.seen, costs, starts,
            pool, groups, spans, loose, lead, sizes,
        )  # fmt: skip
        used, grouped, loosened, led = (slice(int(size)) for size in sizes)
        after = LineSearch(
            self.seen + count, float(costs[count]), _pick(pool, used), _pick(groups, grouped),
            _pick(loose, loosened), _pick(lead, led), spans[:, grouped].copy(),
        )  # fmt: skip
        return costs, starts, after

    def compacted(self) -> LineSearch:
        """Return the same search without the room that retired candidates have left."""
        firsts, ends = self.groups[1][0], self.spans[0]
        spans = [np.arange(first, end) for first, end in zip(firsts, ends, strict=True)]
        members = np.concatenate([np.empty(0, dtype=np.int64), *spans]).astype(np.int64)
        lengths = ends - firsts
        moved = np.cumsum(lengths)
        groups = (self.groups[0], np.stack([moved - lengths, self.groups[1][1]]))
        return LineSearch(
            self.seen, self.best, _pick(self.pool, members), groups, self.loose, self.lead,
            np.stack([moved, self.spans[1]]),
        )  # fmt: skip

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the search as plain arrays, to be stored."""
        search = self.compacted()
        arrays: dict[str, NDArray[np.generic]] = {
            "seen": np.array(search.seen),
            "best": np.array(search.best),
            "spans": search.spans,
        }
        for name in ("pool", "groups", "loose", "lead"):
            arrays[f"{name}_numbers"], arrays[f"{name}_places"] = getattr(search, name)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> LineSearch:
        """Return the search that ``to_arrays`` wrote."""
        return cls(
            int(arrays["seen"]),
            float(arrays["best"]),
            _read_crowd(arrays, "pool"),
            _read_crowd(arrays, "groups"),
            _read_crowd(arrays, "loose"),
            _read_crowd(arrays, "lead"),
            np.array(arrays["spans"], dtype=np.int64),
        )


def _read_crowd(arrays: Arrays, name: str) -> Crowd:
    return (
        np.array(arrays[f"{name}_numbers"], dtype=np.float64),
        np.array(arrays[f"{name}_places"], dtype=np.int64),
    )


def _widen(crowd: Crowd, room: int) -> Crowd:
    """Return a copy with more room at the end."""
    more = make_room(room)
    return (
        np.concatenate([crowd[0], more[0]], axis=1),
        np.concatenate([crowd[1], more[1]], axis=1),
    )


def _pick(crowd: Crowd, which: Indices | slice) -> Crowd:
    """Return a copy of some candidates, in that order."""
    return crowd[0][:, which].copy(order="C"), crowd[1][:, which].copy(order="C")
