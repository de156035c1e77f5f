"""Spot trades over the wire: scripted answers, the bundled simulator, real recordings."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from include.exchanges.binance_spot.trades import RULES, BinanceSpotTrades
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.exchanges.rows import join_trades
from include.exchanges.trade_pages import find_flaws, walk_trades
from include.market.errors import ContractError
from include.market.rate_limit import RateLimit
from include.market.span import Span
from tests.support.agg_trades import BASE_MS, MemoryVenue, body, trade, trade_rows
from tests.support.http_server import Script, answer, serve
from tests.support.recorded import recorded_file, recorded_json
from tests.support.simulator import run_simulator

NOW = answer(f'{{"serverTime":{BASE_MS + 10**7}}}'.encode())
SIMULATED_NOW_MS = 1_750_000_000_000


@contextmanager
def client_of(base_url: str, *, attempts: int = 1) -> Iterator[HttpClient]:
    settings = HttpSettings(attempts=attempts, backoff_base_s=0.001)
    governor = LocalGovernor(RateLimit("binance_spot", 6000))
    client = HttpClient(base_url, settings, governor=governor)
    yield client
    client.close()


def walk(*answers: bytes, attempts: int = 1) -> tuple[list[int], Script, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    with serve(NOW, *answers) as script, client_of(script.base_url, attempts=attempts) as client:
        source = BinanceSpotTrades(client, lambda *change: told.append(change[:2]))
        pages = source.agg_trades("BTCUSDT", Span(BASE_MS, BASE_MS + 40), page_limit=3)
        found = [agg_id for page in pages for agg_id in page.rows.agg_id.tolist()]
    return found, script, told


def page(*ids: int) -> bytes:
    return answer(body(trade(agg_id, agg_id * 10) for agg_id in ids))


def test_the_wire_is_asked_as_documented() -> None:
    found, script, _ = walk(page(0, 1, 2), page(2, 3, 4))
    assert found == [0, 1, 2, 3]
    assert script.requests[1:] == [
        f"GET /api/v3/aggTrades?symbol=BTCUSDT&startTime={BASE_MS}&endTime={BASE_MS + 39}&limit=3 "
        "HTTP/1.1",
        "GET /api/v3/aggTrades?symbol=BTCUSDT&fromId=2&limit=3 HTTP/1.1",
    ]


def test_a_damaged_page_is_asked_for_again() -> None:
    cut = answer(body([trade(0, 0), trade(1, 10)])[:-20])
    found, script, _ = walk(page(0, 1, 2), cut, page(2, 3, 4), attempts=2)
    assert (found, len(script.requests)) == ([0, 1, 2, 3], 4)


def test_a_renamed_field_on_a_later_page_ends_the_walk() -> None:
    renamed = answer(body([trade(2, 20), trade(3, 30)]).replace(b'"T"', b'"time"'))
    with pytest.raises(ContractError, match="lost T"):
        walk(page(0, 1, 2), renamed, attempts=3)


def test_an_added_field_is_told() -> None:
    added = answer(body([trade(2, 20) | {"st": 1}, trade(3, 50)]))
    assert walk(page(0, 1, 2), added)[2] == [("aggTrades", "st")]


def test_the_simulators_trades_come_whole_and_make_its_candles() -> None:
    end_ms = SIMULATED_NOW_MS // 60_000 * 60_000
    span = Span(end_ms - 7_200_000, end_ms)
    arguments = ("--clock", f"frozen:{SIMULATED_NOW_MS}", "--seed", "7", "--outages-per-year", "0")
    with run_simulator(*arguments) as base_url, client_of(base_url) as client:
        pages = list(BinanceSpotTrades(client).agg_trades("BTCUSDT", span, page_limit=1000))
        klines = client.get(
            "/api/v3/klines",
            {"symbol": "BTCUSDT", "interval": "1m", "startTime": span.start_ms, "limit": 120},
            weight=2,
        )
    rows = join_trades([got.rows for got in pages])
    assert len(pages) > 1
    assert (np.diff(rows.agg_id) == 1).all()
    assert not any(got.missing_ids or got.flawed or got.fill_gaps for got in pages)
    minute = (rows.time_ms - span.start_ms) // 60_000
    volumes = np.bincount(minute, weights=rows.quantity, minlength=120)
    assert volumes == pytest.approx([float(row[5]) for row in klines], rel=1e-9)


def test_a_recorded_day_of_trades_walks_whole() -> None:
    path = recorded_file("binance_spot_aggtrades/XRPETH-aggTrades-2019-10-11_13.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [
            {
                **{name: int(row[name]) for name in ("a", "f", "l", "T")},
                "p": row["p"],
                "q": row["q"],
                "m": row["m"] == "true",
                "M": row["M"] == "true",
            }
            for row in csv.DictReader(lines)
        ]
    span = Span(rows[0]["T"], rows[-1]["T"] + 1)
    venue = MemoryVenue(rows)
    pages = list(walk_trades(venue, span, rules=RULES, page_limit=1000, now_ms=2 * 10**12))
    got = join_trades([page.rows for page in pages])
    assert got.agg_id.tolist() == [row["a"] for row in rows]
    assert not any(page.flawed or page.missing_ids or page.fill_gaps for page in pages)


def test_recorded_answers_are_read_and_their_seams_agree() -> None:
    answers = recorded_json("rest_recorded/gct_binance_public.json.gz")["/api/v3/aggTrades"]
    # Some of these were edited by hand and lost a key; such an answer is no evidence.
    sound = [entry["data"] for entry in answers if all("m" in row for row in entry["data"])]
    pages = [trade_rows(rows) for rows in sound if rows]
    assert len(pages) > 15
    for rows in pages:
        assert not any(broken.any() for broken in find_flaws(rows).values())
    by_first = {int(rows.agg_id[0]): rows for rows in pages}
    whole = next(rows for rows in pages if len(rows) == 1000)
    following = by_first[int(whole.agg_id[-1])]
    assert following.time_ms[0] == whole.time_ms[-1]
    assert following.price[0] == whole.price[-1]
