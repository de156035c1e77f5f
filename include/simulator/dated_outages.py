"""Outages of Binance spot that its users noted in the published candles and trades.

The instants are those of the last trade before and the first after each outage, rounded here to
the minutes that hold no trade at all.
Source: issues 365 and 368 of https://github.com/binance/binance-public-data
"""

from __future__ import annotations

from datetime import UTC, datetime

from include.market.span import Span, to_ms
from include.simulator.interval import MINUTE_MS

_NOTED = (
    ("2017-09-06 16:00:00", "2017-09-06 23:00:00"),
    ("2018-01-04 03:00:14", "2018-01-04 05:06:13"),
    ("2018-02-08 00:28:14", "2018-02-09 10:00:01"),
    ("2018-06-26 02:00:00", "2018-06-26 12:00:00"),
    ("2018-07-04 00:22:00", "2018-07-04 08:00:00"),
    ("2018-10-19 06:00:00", "2018-10-19 09:30:00"),
    ("2018-11-14 02:00:00", "2018-11-14 09:00:00"),
    ("2019-03-12 02:00:00", "2019-03-12 08:00:00"),
    ("2019-05-15 03:00:00", "2019-05-15 13:00:00"),
    ("2019-06-07 21:13:00", "2019-06-07 22:15:00"),
    ("2020-02-09 02:00:00", "2020-02-09 03:00:00"),
    ("2020-02-19 11:35:33", "2020-02-19 17:30:00"),
    ("2020-03-04 09:21:47", "2020-03-04 11:30:00"),
    ("2020-04-25 02:00:00", "2020-04-25 04:30:00"),
    ("2020-06-28 02:00:00", "2020-06-28 05:30:00"),
    ("2020-12-21 13:47:21", "2020-12-21 18:00:00"),
    ("2020-12-25 02:00:00", "2020-12-25 03:00:00"),
    ("2021-02-11 03:40:55", "2021-02-11 05:00:00"),
    ("2021-03-06 02:00:00", "2021-03-06 03:30:00"),
    ("2021-04-20 02:00:00", "2021-04-20 04:30:00"),
    ("2021-04-25 04:01:00", "2021-04-25 08:45:00"),
)


def _whole_minutes(start: str, end: str) -> Span:
    start_ms, end_ms = (
        to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC)) for text in (start, end)
    )
    return Span(-(-start_ms // MINUTE_MS) * MINUTE_MS, end_ms - end_ms % MINUTE_MS)


DATED_OUTAGES = tuple(_whole_minutes(start, end) for start, end in _NOTED)
"""The outages in order, as spans of whole minutes without a candle."""
