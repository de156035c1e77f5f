from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.simulator.amendment_rules import KINDS
from include.simulator.amendments import Amendments
from include.simulator.dated_outages import DATED_OUTAGES

MINUTE_MS = 60_000
START_MS = 29_000_000 * MINUTE_MS
SPAN = {"start": START_MS, "end": START_MS + 5 * MINUTE_MS}
RULES: list[dict[str, Any]] = [
    {"kind": "missing", "venue": "spot", "symbols": ["BTCUSDT", "ETHUSDT"], **SPAN},
    {"kind": "outage", "venue": "usdm", **SPAN},
    {"kind": "late", "symbol": "BTCUSDT", **SPAN, "at": START_MS + 7},
    {"kind": "revised", "symbol": "BTCUSDT", **SPAN, "at": START_MS, "volume_factor": 1.5},
    {"kind": "off_grid", "symbol": "BTCUSDT", **SPAN, "shift_ms": 3_000},
    {"kind": "listed", "symbol": "BTCUSDT", "at": START_MS},
    {"kind": "delisted", "symbol": "BTCUSDT", "at": START_MS, "gone": True},
    {"kind": "renamed", "old": "BTCUSDT", "new": "XBTUSDT", "at": START_MS},
    {"kind": "relisted", "symbol": "BTCUSDT", **SPAN, "price_factor": 7},
]


def test_rules_of_every_kind_are_read_and_told_again() -> None:
    assert {rule["kind"] for rule in RULES} == set(KINDS) - {"dated_outages"}
    amendments = Amendments.from_rules(RULES)
    told = [rule.describe() for rule in amendments.rules]
    assert Amendments.from_rules(told).rules == amendments.rules
    assert amendments.rules[0].venues == ("spot",)
    assert amendments.rules[2].venues == ("spot", "usdm")


def test_times_are_numbers_iso_texts_or_counted_from_now() -> None:
    noon = datetime(2025, 7, 1, 12, 0, tzinfo=UTC)
    for start in (to_ms(noon), "2025-07-01T12:00Z", "2025-07-01 14:00:00+02:00", noon):
        rule = {"kind": "outage", "start": start, "end": "2025-07-01T12:30"}
        amendments = Amendments.from_rules([rule])
        assert amendments.rules[0].span == Span(to_ms(noon), to_ms(noon) + 30 * MINUTE_MS)
    rule = {"kind": "outage", "start": "now-2h", "end": "now"}
    now_ms = START_MS + 12_345
    span = Amendments.from_rules([rule], now_ms=now_ms).rules[0].span
    assert span == Span(START_MS - 120 * MINUTE_MS, START_MS)


def test_the_dated_outages_are_whole_minutes_in_order() -> None:
    rules = Amendments.from_rules([{"kind": "dated_outages", "venue": "spot"}]).rules
    assert [rule.span for rule in rules] == list(DATED_OUTAGES)
    assert len(DATED_OUTAGES) == 21
    for span in DATED_OUTAGES:
        assert span
        assert span.start_ms % MINUTE_MS == span.end_ms % MINUTE_MS == 0
    assert list(DATED_OUTAGES) == sorted(DATED_OUTAGES)
    # 2018-01-04 03:00:14 to 05:06:13: minute 03:00 still traded, 05:06 did again.
    assert DATED_OUTAGES[1].start_ms == to_ms(datetime(2018, 1, 4, 3, 1, tzinfo=UTC))
    assert DATED_OUTAGES[1].end_ms == to_ms(datetime(2018, 1, 4, 5, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"kind": "lost"}, "kind 'lost' is unknown"),
        ({}, "kind 'None' is unknown"),
        ("missing", "expected a mapping"),
        ({"kind": "missing", "start": 0}, "lacks 'end'"),
        ({"kind": "missing", **SPAN, "at": 5}, "does not know 'at'"),
        ({"kind": "missing", **SPAN, "venue": "moon"}, "venue 'moon' is unknown"),
        ({"kind": "missing", **SPAN, "symbol": "btc"}, "'btc' is not a symbol"),
        ({"kind": "missing", **SPAN, "symbols": []}, "symbols is empty"),
        ({"kind": "missing", **SPAN, "symbol": "A", "symbols": ["B"]}, "exclude each other"),
        ({"kind": "missing", "start": 5, "end": 60_000}, "whole minutes"),
        ({"kind": "missing", "start": 60_000, "end": 60_000}, "is not before end"),
        ({"kind": "missing", "start": "soon", "end": 60_000}, "start 'soon' is no time"),
        ({"kind": "missing", "start": True, "end": 60_000}, "is no time"),
        ({"kind": "missing", "start": "now-5m", "end": "now"}, "needs a clock"),
        ({"kind": "outage", **SPAN, "symbol": "BTCUSDT"}, "outage takes no symbol"),
        ({"kind": "delisted", "at": 0}, "lacks 'symbol'"),
        ({"kind": "delisted", "symbol": "BTCUSDT", "at": 5}, "not a whole minute"),
        ({"kind": "delisted", "symbol": "BTCUSDT", "at": 0, "gone": "yes"}, "true or false"),
        ({"kind": "revised", **SPAN, "at": 0, "volume_factor": 1}, "volume_factor must be"),
        ({"kind": "revised", **SPAN, "at": 0, "volume_factor": "x"}, "volume_factor must be"),
        ({"kind": "off_grid", **SPAN, "shift_ms": 60_000}, "shift_ms must be"),
        ({"kind": "relisted", **SPAN, "symbol": "BTCUSDT", "price_factor": 1}, "price_factor"),
        ({"kind": "renamed", "old": "BTCUSDT", "new": "x", "at": 0}, "new 'x' is not a symbol"),
    ],
)
def test_wrong_rules_are_refused_by_number_and_field(rule: Any, text: str) -> None:
    with pytest.raises(InvalidInputError, match="amendment 2: ") as caught:
        Amendments.from_rules([RULES[0], rule])
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rules_add_up_until_they_are_taken_back() -> None:
    amendments = Amendments()
    versions = [amendments.state[0]]
    amendments.add(Amendments.from_rules(RULES[:2]))
    amendments.add(Amendments.from_rules(RULES[2:3]))
    versions.append(amendments.state[0])
    assert len(amendments.rules) == 3
    amendments.clear()
    versions.append(amendments.state[0])
    assert not amendments.rules
    assert len(set(versions)) == 3
