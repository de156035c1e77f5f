from __future__ import annotations

import pytest

from include.market.errors import InvalidInputError
from include.market.span import Span
from include.simulator.faults.asked import read_asked
from include.simulator.faults.book import MAX_RULES, RuleBook
from include.simulator.faults.rules import Rule, parse_rule, parse_rules
from include.simulator.faults.table import FAULTS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
JULY_30_MS = 1_753_833_600_000


@pytest.mark.parametrize("name", list(FAULTS))
def test_every_fault_can_be_switched_on_by_its_name_alone(name: str) -> None:
    rule = parse_rule({"fault": name})
    assert rule.params == {param.name: param.default for param in rule.fault.params}
    assert parse_rule(rule.document()) == rule


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("silent", "expected a mapping"),
        ({}, "fault None is unknown: write one of rate_limited,"),
        ({"fault": "sielnt"}, "fault 'sielnt' is unknown: write one of"),
        ({"fault": ["silent"]}, "is unknown"),
        ({"fault": "silent", "proability": 1}, "key 'proability' is unknown for fault silent"),
        ({"fault": "silent", "retry_after_s": 1}, "key 'retry_after_s' is unknown"),
        ({"fault": "silent", "probability": 1.5}, "probability 1.5: write a number from 0 to 1"),
        ({"fault": "silent", "probability": True}, "probability True"),
        ({"fault": "silent", "probability": "1"}, "probability '1'"),
        ({"fault": "silent", "times": 0}, "times 0: write a whole number from 1"),
        ({"fault": "silent", "times": 1.0}, "times 1.0"),
        ({"fault": "silent", "after": -1}, "after -1"),
        ({"fault": "silent", "active_s": 0}, "active_s 0"),
        ({"fault": "silent", "active_s": float("nan")}, "active_s nan"),
        ({"fault": "silent", "seed": "x"}, "seed 'x'"),
        ({"fault": "silent", "route": 7}, "route 7: write a text such as /api/v3/klines"),
        ({"fault": "silent", "symbol": ""}, "symbol '': write a text such as BTCUSDT"),
        ({"fault": "silent", "from_ms": 5, "to_ms": 5}, "from_ms 5 is not before to_ms 5"),
        ({"fault": "silent", "hold_s": "long"}, "hold_s 'long': write a number from"),
        ({"fault": "rate_limited", "form": "iso"}, "form 'iso': write one of seconds, http_date"),
        ({"fault": "rate_limited", "retry_after_s": 1.5}, "write a whole number"),
        ({"fault": "json_nan", "row": "last"}, "row 'last': write a row number"),
        ({"fault": "json_nan", "field": None, "row": 1.5}, "row 1.5"),
        ({"fault": "json_nan", "field": 1.5}, "field 1.5: write a column's name or number"),
        ({"fault": "redirect", "location": "http://x\r\nSet-Cookie: a"}, "printable ASCII"),
        ({"fault": "truncated_length", "keep": 1}, "keep 1: write a number from 0 to 0.999"),
        ({"fault": "gzip_bomb", "megabytes": 10**6}, "megabytes 1000000"),
        ({"fault": "refuse_connection", "reset": 1}, "reset 1: write true or false"),
    ],
)
def test_wrong_rules_are_refused_with_what_is_allowed(entry: object, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_rule(entry)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_rule_of_a_list_is_named_by_its_number() -> None:
    with pytest.raises(InvalidInputError, match="fault rule 2 of 3: fault 'no' is unknown"):
        parse_rules([{"fault": "bom"}, {"fault": "no"}, {"fault": "bom"}])


def rule(**fields: object) -> Rule:
    return parse_rule({"fault": "bom", **fields})


@pytest.mark.parametrize(
    ("fields", "target", "is_met"),
    [
        ({}, "/api/v3/klines", True),
        ({"route": "/api/*"}, "/fapi/v1/klines", False),
        ({"route": "*/klines"}, "/fapi/v1/klines", True),
        ({"symbol": "BTCUSDT"}, "/api/v3/klines?symbol=BTCUSDT", True),
        ({"symbol": "BTCUSDT"}, "/api/v3/klines?symbol=ETHUSDT", False),
        ({"symbol": "BTCUSDT"}, "/api/v3/time", False),
        ({"symbol": "BTCUSDT"}, '/api/v3/exchangeInfo?symbols=["ETHBTC","BTCUSDT"]', True),
        ({"symbol": "BTCUSDT"}, "/api/v3/exchangeInfo?symbols=[", False),
        (
            {"symbol": "BTCUSDT"},
            "/data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-2025-07-30.zip",
            True,
        ),
        ({"from_ms": 100, "to_ms": 200}, "/x?startTime=50&endTime=99", False),
        ({"from_ms": 100, "to_ms": 200}, "/x?startTime=50&endTime=100", True),
        ({"from_ms": 100, "to_ms": 200}, "/x?startTime=199", True),
        ({"from_ms": 100, "to_ms": 200}, "/x?startTime=200", False),
        ({"from_ms": 100, "to_ms": 200}, "/x?endTime=50", False),
        ({"from_ms": 100, "to_ms": 200}, "/x", False),
        ({"from_ms": 100}, "/x?startTime=5", True),
        ({"to_ms": 200}, "/x?startTime=abc", False),
        ({"from_ms": 600_000}, "/x?startTime=0&interval=1m&limit=10", False),
        ({"from_ms": 599_999}, "/x?startTime=0&interval=1m&limit=10", True),
        ({"to_ms": 10**12 - 599_999}, "/x?endTime=1000000000000&interval=1m&limit=10", False),
        (
            {"from_ms": 1_700_000_000_000},
            "/x?startTime=1700000000000000&endTime=1700000000000001",
            True,
        ),
        ({"from_ms": JULY_30_MS}, "/data/a/BTCUSDT-1m-2025-07-29.zip", False),
        (
            {"from_ms": JULY_30_MS, "to_ms": JULY_30_MS + 1},
            "/data/a/BTCUSDT-1m-2025-07-30.zip",
            True,
        ),
        ({"to_ms": JULY_30_MS}, "/data/a/BTCUSDT-1m-2025-07-30.zip.CHECKSUM", False),
        ({"from_ms": JULY_30_MS}, "/data/a/BTCUSDT-1m-2025-07.zip", True),
        ({"from_ms": JULY_30_MS + 2 * DAY_MS}, "/data/a/BTCUSDT-1m-2025-07.zip", False),
        ({"from_ms": 0}, "/data/a/BTCUSDT-1m-2025-13-45.zip", False),
    ],
)
def test_rules_meet_requests_by_route_symbol_and_time(
    fields: dict[str, object], target: str, is_met: bool
) -> None:
    path, _, query = target.partition("?")
    pairs = dict(part.split("=", 1) for part in query.split("&") if part)
    assert read_asked(path, pairs).meets(rule(**fields)) is is_met


def test_the_span_of_a_month_ends_with_it() -> None:
    asked = read_asked("/data/x/BTCUSDT-1m-2024-02.zip", {})
    assert asked.span_ms == Span(1_706_745_600_000, 1_709_251_200_000)
    assert (asked.interval, asked.venue) == ("1m", "data")


def draws(entries: list[dict[str, object]], count: int = 200) -> list[list[int]]:
    book = RuleBook()
    ids = book.switch_on(parse_rules(entries))
    asked = read_asked("/api/v3/klines", {})
    return [[ids.index(f.entry.id) for f in book.claim(asked)] for _ in range(count)]


def test_the_same_rules_and_requests_give_the_same_misbehaviour() -> None:
    entries: list[dict[str, object]] = [
        {"fault": "bom", "probability": 0.3, "seed": 5},
        {"fault": "latin1", "probability": 0.5, "seed": 5},
        {"fault": "bom", "probability": 0.3, "seed": 6},
    ]
    first = draws(entries)
    assert first == draws(entries)
    alone = draws(entries[:1])
    assert [0 in fired for fired in first] == [bool(fired) for fired in alone]
    assert [0 in fired for fired in first] != [2 in fired for fired in first]
    assert any(0 in fired and 1 not in fired for fired in first)
    assert 30 <= sum(map(len, alone)) <= 90


def test_after_and_times_bound_the_firings() -> None:
    fired = draws([{"fault": "bom", "after": 3, "times": 2}], 10)
    assert fired == [[], [], [], [0], [0], [], [], [], [], []]


def test_a_released_firing_may_come_again() -> None:
    book = RuleBook()
    book.switch_on(parse_rules({"fault": "bom", "times": 1}))
    asked = read_asked("/x", {})
    book.claim(asked)[0].release()
    assert len(book.claim(asked)) == 1
    assert book.claim(asked) == []


def test_active_s_ends_a_rule() -> None:
    now = [100.0]
    book = RuleBook(now_s=lambda: now[0])
    book.switch_on(parse_rules({"fault": "bom", "active_s": 5}))
    asked = read_asked("/x", {})
    now[0] = 104.9
    assert len(book.claim(asked)) == 1
    now[0] = 105.0
    assert book.claim(asked) == []
    assert [(told["seen"], told["active"]) for told in book.describe()] == [(1, False)]


def test_one_answer_instead_and_one_damage_at_most() -> None:
    names = ["bom", "silent", "html_200", "late_answer", "geo_blocked", "empty_page"]
    assert draws([{"fault": name} for name in names], 1) == [[2, 1]]
    names = ["bom", "silent", "late_answer", "empty_page"]
    assert draws([{"fault": name} for name in names], 1) == [[0, 3, 1]]


def test_what_loses_against_another_rule_keeps_its_times() -> None:
    entries: list[dict[str, object]] = [
        {"fault": "silent", "times": 1},
        {"fault": "late_answer", "times": 1},
    ]
    assert draws(entries, 3) == [[0], [1], []]


def test_the_book_is_bounded() -> None:
    book = RuleBook()
    book.switch_on(parse_rules([{"fault": "bom"}] * MAX_RULES))
    with pytest.raises(InvalidInputError, match="more than 1000"):
        book.switch_on(parse_rules({"fault": "bom"}))
