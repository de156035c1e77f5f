"""What an instrument gained over each of its trading sessions, from 1m candles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from include.cascade.exact_sum import FloatArray
from include.cascade.features import average_price
from include.cascade.returns import log_ratio
from include.cascade.series import SeriesCandles
from include.cascade.units import UnitChange
from include.market.span import Span, subtract_spans
from include.market.timeframe import M1


@dataclass(frozen=True, slots=True)
class Session:
    """A trading session of one instrument, and what must be known to judge it.

    ``covered`` is what is proven loaded or explained of the 1m candles.
    """

    owner: int
    session_id: int
    span: Span
    covered: Sequence[Span]
    unit_changes: Sequence[UnitChange] = ()


@dataclass(frozen=True, slots=True)
class SessionReturn:
    """A session's gain; prices are in the unit of its close.

    ``realised_variance`` is the sum of its squared 1m returns (Andersen et al. 2003); ``vwap`` is
    None where nothing was traded, a volume is not known, or the unit changes within the session.
    """

    owner: int
    session_id: int
    open_price: float
    close_price: float
    log_return: float
    realised_variance: float
    vwap: float | None
    candles_present: int
    candles_expected: int


def session_returns(minutes: SeriesCandles, sessions: Sequence[Session]) -> list[SessionReturn]:
    """Return the gain over every session that is proven from end to end and has a candle.

    Args:
        minutes: 1m candles, those of the sessions among them; others make no difference.
        sessions: half-open spans; a minute belongs to the session it opens in.

    Returns:
        One for each such session, in the order given; none rests on a minute outside it.
    """
    found = []
    for session in sessions:
        own = slice(*np.searchsorted(minutes.owners, [session.owner, session.owner + 1]).tolist())
        edges = [session.span.start_ms * 1000, session.span.end_ms * 1000]
        first, after = (np.searchsorted(minutes.open_us[own], edges) + own.start).tolist()
        if first < after and not subtract_spans(session.span, session.covered):
            found.append(_gain(minutes.take(slice(first, after)), session))
    return found


def _gain(minutes: SeriesCandles, session: Session) -> SessionReturn:
    inside = [
        one for one in session.unit_changes if one.factor != 1 and _falls_within(one, session)
    ]
    opened, close = minutes.cells["open"], minutes.cells["close"]
    factor = math.prod(one.factor for one in sorted(inside, key=lambda one: one.at_ms))
    step = _steps(minutes, inside)
    before = np.concatenate([opened[:1], close[:-1]]) * step
    returns = np.nan_to_num(log_ratio(close, before))
    open_price, close_price = float(opened[0]) * factor, float(close[-1])
    expected = M1.ceil_ms(session.span.end_ms) - M1.ceil_ms(session.span.start_ms)
    return SessionReturn(
        session.owner,
        session.session_id,
        open_price,
        close_price,
        math.log(close_price / open_price),
        math.fsum((returns**2).tolist()),
        None if inside else _average_price(minutes),
        len(minutes),
        expected // M1.length_ms,
    )


def _falls_within(change: UnitChange, session: Session) -> bool:
    # At its very start, all of the session is in the new unit.
    return change.factor != 1 and session.span.start_ms < change.at_ms < session.span.end_ms


def _steps(minutes: SeriesCandles, changes: Sequence[UnitChange]) -> FloatArray:
    """Return by what the close before each minute is multiplied to stand beside its own.

    Absent minutes may lie between. NaN for a minute within which the unit changes.
    """
    factors = np.ones(len(minutes))
    for change in changes:
        at_us = change.at_ms * 1000
        place = int(np.searchsorted(minutes.open_us, at_us - M1.length_ms * 1000, side="right"))
        if place < len(factors):
            factors[place] *= change.factor if minutes.open_us[place] >= at_us else math.nan
    return factors


def _average_price(minutes: SeriesCandles) -> float | None:
    sums = (math.fsum(minutes.cells[name].tolist()) for name in ("quote_volume", "volume"))
    quote_volume, volume, low, high = (
        np.array([value])
        for value in (*sums, minutes.cells["low"].min(), minutes.cells["high"].max())
    )
    average = float(average_price(quote_volume, volume, low, high)[0])
    return None if math.isnan(average) else average
