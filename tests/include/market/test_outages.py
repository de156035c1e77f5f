"""Stated outages are read whole or not at all, and speak of whole minutes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from include.market.errors import InvalidInputError
from include.market.outages import known_outages, read_outages
from include.market.span import Span, to_ms
from include.market.timeframe import M1
from include.market.universe import parse_universe


def instant(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_the_list_that_comes_with_us_is_in_order_and_of_whole_minutes() -> None:
    spans = [one.span for one in known_outages("binance_spot")]
    assert len(spans) == 21
    assert spans == sorted(spans)
    assert all(end % M1.length_ms == 0 for span in spans for end in (span.start_ms, span.end_ms))
    # The minutes of the last trade before and the first after it are there.
    assert Span(instant("2018-02-08T00:29"), instant("2018-02-09T10:00")) in spans
    assert known_outages("binance_usdm") == ()
    assert known_outages("ccxt:kraken") == ()


def test_the_operator_writes_outages_into_the_universe() -> None:
    written = {"start": "2026-11-01T10:00:30+01:00", "end": "2026-11-01T09:30:59Z", "note": "fire"}
    text = json.dumps({"binance_spot": {"symbols": ["BTCUSDT"], "outages": [written]}})
    [outage] = parse_universe(text).options_of("binance_spot").outages
    assert outage.span == Span(instant("2026-11-01T09:01"), instant("2026-11-01T09:30"))
    assert outage.note == "fire"


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ({"start": "2026-11-01T10:00:00Z"}, "must be a list"),
        (["2026-11-01"], "must be a list"),
        ([{"start": "2026-11-01T10:00", "end": "2026-11-01T11:00Z"}], "with its zone"),
        ([{"start": "soon", "end": "2026-11-01T11:00Z"}], "with its zone"),
        ([{"start": 1, "end": "2026-11-01T11:00Z"}], "with its zone"),
        ([{"start": "2026-11-01T10:00:01Z", "end": "2026-11-01T10:01:30Z"}], "a whole minute"),
        ([{"start": "2026-11-01T11:00Z", "end": "2026-11-01T10:00Z"}], "a whole minute"),
        (
            [{"start": "2026-11-01T10:00Z", "end": "2026-11-01T11:00Z", "note": 7}],
            "note of an outage",
        ),
        ([{"start": "2026-11-01T10:00Z", "end": "2026-11-01T11:00Z", "why": "x"}], "'why'"),
        (
            [
                {"start": "2026-11-01T10:00Z", "end": "2026-11-01T11:00Z"},
                {"start": "2026-11-01T10:59Z", "end": "2026-11-01T12:00Z"},
            ],
            "overlap",
        ),
    ],
)
def test_what_cannot_be_an_outage_is_refused(written: object, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        read_outages(written, "here")
