"""Straight trends of a series that grows: each new value costs the same, however long the past is.

What is known of the past stays: the noise, the penalty and every candidate start that may still
win. The noise scale and the clipping of spikes are *frozen* when the search begins. With them
frozen, the cut after any number of extensions is the one that a search over all values finds.
``OnlineSegmentation.stale`` says when the series has grown enough to fit the noise anew.

The last values are provisional: whether a value is a spike is known only when 8 more are there.
They are clipped and searched again at every extension, from the last block on that is settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from include.channels.noise import MIN_TO_CLIP, SPIKE_WINDOW, Array, clip_spikes, spike_noise
from include.channels.segmentation import (
    Segmentation,
    bic_penalty,
    measure_noise,
    price_starts,
    refuse_bad_series,
    trace_back,
)
from include.channels.segmentation_kernel import BLOCK
from include.channels.segmentation_search import Indices, LineSearch
from include.market.errors import InvalidInputError

STALE_GROWTH = 0.125
"""The noise is fitted anew when the series has grown by this part since."""
PROVISIONAL = MIN_TO_CLIP - SPIKE_WINDOW
"""At least so many of the last values are not settled."""


@dataclass(frozen=True, slots=True)
class FrozenNoise:
    """What an online search does not learn from new values.

    ``scale`` and ``spike`` are in units of the values (see ``include.channels.noise``), ``penalty``
    and ``likely_price`` in squared noise scales. ``fitted_on`` is the number of values behind them.
    """

    scale: float
    spike: float
    penalty: float
    likely_price: float
    fitted_on: int


def freeze_noise(
    values: Array, penalty: float | None = None, likely_price: float | None = None
) -> FrozenNoise:
    """Fit the noise of a series once.

    Raises:
        InvalidInputError: the values have no noise, so that there is no scale to go on with.
    """
    scale = measure_noise(clip_spikes(values))
    if scale == 0.0:
        raise InvalidInputError("the series has no noise: cut it whole until its values change")
    price = bic_penalty(len(values)) if penalty is None else penalty
    lower = float(np.min(price_starts(2, price, (1,), likely_price)))
    return FrozenNoise(scale, spike_noise(values), price, lower, len(values))


@dataclass(frozen=True, slots=True, eq=False)
class OnlineSegmentation:
    """A search over ``count`` values that can be extended; never changed in place.

    ``search`` has seen the settled values and ``starts`` leads back through their cuts. ``tail``
    are the values from 8 before the first that is not settled on, as they came, ``tail_times``
    their times; ``tail_prices`` what a segment costs that starts at each value not settled, and
    after the last. ``origin`` is the first time and value.
    """

    min_length: int
    noise: FrozenNoise
    origin: tuple[float, float]
    search: LineSearch
    starts: Indices
    tail: Array
    tail_times: Array
    tail_prices: Array

    @property
    def count(self) -> int:
        """How many values the search knows."""
        return self.search.seen + len(self.tail_prices) - 1

    @property
    def stale(self) -> bool:
        """Whether the series has grown by an eighth since its noise was fitted."""
        return self.count > (1 + STALE_GROWTH) * self.noise.fitted_on

    def cut(self) -> Segmentation:
        """Return the best cut of all values, equal to that of a search over all of them."""
        context = len(self.tail) - len(self.tail_prices) + 1
        clean = clip_spikes(self.tail, self.noise.spike)[context:]
        costs, starts, _ = self.search.look_ahead(
            self.tail_times[context:] - self.origin[0],
            (clean - self.origin[1]) / self.noise.scale,
            self.tail_prices,
            self.min_length,
            0.0,
        )
        bounds = trace_back(np.concatenate([self.starts, starts[1:]]))
        return Segmentation(bounds, self.noise.scale, self.noise.penalty, float(costs[-1]))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all there is to know as plain arrays, to be stored."""
        noise = self.noise
        numbers = [noise.scale, noise.spike, noise.penalty, noise.likely_price, *self.origin]
        own: dict[str, NDArray[np.generic]] = {
            "numbers": np.array(numbers),
            "counts": np.array([self.min_length, noise.fitted_on]),
            "starts": self.starts,
            "tail": np.stack([self.tail, self.tail_times]),
            "tail_prices": self.tail_prices,
        }
        return own | {f"search_{name}": part for name, part in self.search.to_arrays().items()}


def begin_online(
    values: Array,
    *,
    min_length: int,
    times: Array | None = None,
    noise: FrozenNoise | None = None,
    likely_breaks: Sequence[int] | NDArray[np.integer] = (),
) -> OnlineSegmentation:
    """Begin a search that new values may extend; ``noise`` is fitted to the values by default.

    Raises:
        InvalidInputError: a series that ``segment_lines`` refuses, fewer than ``2 * min_length``
            or 19 values, or values without noise.
    """
    places = np.arange(len(values), dtype=np.float64) if times is None else times
    refuse_bad_series(values, places, min_length)
    needed = max(2 * min_length, MIN_TO_CLIP)
    if len(values) < needed:
        raise InvalidInputError(
            f"had {len(values)} values, going on needs {needed}: cut the series whole until then"
        )
    frozen = freeze_noise(values) if noise is None else noise
    prices = price_starts(len(values), frozen.penalty, likely_breaks, frozen.likely_price)
    return _settle(
        OnlineSegmentation(
            min_length,
            frozen,
            (float(places[0]), float(values[0])),
            LineSearch.fresh(),
            np.zeros(1, dtype=np.int64),
            values.copy(),
            places.copy(),
            prices,
        )
    )


def extend_online(
    state: OnlineSegmentation,
    values: Array,
    times: Array | None = None,
    likely_breaks: Sequence[int] | NDArray[np.integer] = (),
) -> OnlineSegmentation:
    """Return the search that knows ``values`` too; their default times go on by ones.

    ``likely_breaks`` are indices of the new values, counted from the first value of the series.

    Raises:
        InvalidInputError: as ``segment_lines`` for the new values, times not after those known,
            or a likely break that is not among the new values.
    """
    if times is None:
        times = state.tail_times[-1] + np.arange(1, len(values) + 1, dtype=np.float64)
    if len(values) == 0:
        return state
    refuse_bad_series(values, times, state.min_length)
    if times[0] <= state.tail_times[-1]:
        raise InvalidInputError(
            f"new values begin at {times[0]}, known ones end at {state.tail_times[-1]}: "
            "begin anew with what was revised"
        )
    prices = np.concatenate([state.tail_prices, np.full(len(values), state.noise.penalty)])
    for place in likely_breaks:
        if not state.count <= place < state.count + len(values):
            raise InvalidInputError(
                f"likely break {place} is not a new value: use {state.count} ... "
                f"{state.count + len(values) - 1}"
            )
        prices[place - state.search.seen] = state.noise.likely_price
    return _settle(
        replace(
            state,
            tail=np.concatenate([state.tail, values]),
            tail_times=np.concatenate([state.tail_times, times]),
            tail_prices=prices,
        )
    )


def restore_online(arrays: Mapping[str, NDArray[np.generic]]) -> OnlineSegmentation:
    """Return the search that ``OnlineSegmentation.to_arrays`` wrote."""
    scale, spike, penalty, likely, time, value = (float(number) for number in arrays["numbers"])
    min_length, fitted_on = (int(number) for number in arrays["counts"])
    tail = np.asarray(arrays["tail"], dtype=np.float64)
    parts = {
        name.removeprefix("search_"): part
        for name, part in arrays.items()
        if name.startswith("search_")
    }
    return OnlineSegmentation(
        min_length,
        FrozenNoise(scale, spike, penalty, likely, fitted_on),
        (time, value),
        LineSearch.from_arrays(parts),
        np.asarray(arrays["starts"], dtype=np.int64),
        tail[0].copy(),
        tail[1].copy(),
        np.asarray(arrays["tail_prices"], dtype=np.float64),
    )


def _settle(state: OnlineSegmentation) -> OnlineSegmentation:
    """Let the search see all whole blocks whose values no later value can change."""
    loose = len(state.tail_prices) - 1
    settled = (loose - PROVISIONAL) // BLOCK * BLOCK
    if settled <= 0:
        return state
    context = len(state.tail) - loose
    clean = clip_spikes(state.tail, state.noise.spike)[context : context + settled]
    _, starts, search = state.search.look_ahead(
        state.tail_times[context : context + settled] - state.origin[0],
        (clean - state.origin[1]) / state.noise.scale,
        state.tail_prices[: settled + 1],
        state.min_length,
        0.0,
    )
    kept = context + settled - SPIKE_WINDOW
    return replace(
        state,
        search=search.compacted(),
        starts=np.concatenate([state.starts, starts[1:]]),
        tail=state.tail[kept:].copy(),
        tail_times=state.tail_times[kept:].copy(),
        tail_prices=state.tail_prices[settled:].copy(),
    )
