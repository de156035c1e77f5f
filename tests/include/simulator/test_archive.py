from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from include.market.timeframe import DAY_MS
from include.simulator.amendments import Amendments
from include.simulator.clock import FrozenClock
from include.simulator.engine import Window
from include.simulator.interval import ONE_MINUTE
from include.simulator.recordings import read_recordings
from include.simulator.replay import ReplayEngine
from include.simulator.synthetic import SyntheticEngine
from include.simulator.venue import Venue
from include.simulator.weights import WeightMeter

FIRST_MS = 20_299 * DAY_MS
HOUR_MS = 3_600_000
DAILY = "spot/daily/klines/ETHUSDT/1m/ETHUSDT-1m-2025-07-30.zip"
FUTURES = "futures/um/daily/klines/ETHUSDT/1m/ETHUSDT-1m-2025-07-30.zip"


def lines_of(content: bytes | None) -> tuple[str, list[str]]:
    assert content is not None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = archive.namelist()
        return name, archive.read(name).decode().splitlines()


def test_a_daily_file_holds_the_days_candles_in_microseconds(venue: Venue, now_ms: int) -> None:
    name, lines = lines_of(venue.archive.read(DAILY, now_ms))
    assert name == "ETHUSDT-1m-2025-07-30.csv"
    window = Window(2_000, FIRST_MS, FIRST_MS + DAY_MS - 1)
    rows = [json.loads(text) for text in venue.engine.klines("ETHUSDT", ONE_MINUTE, window, now_ms)]
    assert len(lines) == len(rows) == 1_440
    for line, row in zip(lines, rows, strict=True):
        cells = line.split(",")
        assert int(cells[0]) == row[0] * 1_000
        assert int(cells[6]) == row[6] * 1_000 + 999
        assert [*cells[1:6], *cells[7:]] == [str(cell) for cell in [*row[1:6], *row[7:]]]


def test_futures_files_have_a_header_and_milliseconds(venue: Venue, now_ms: int) -> None:
    _, lines = lines_of(venue.archive.read(FUTURES, now_ms))
    assert lines[0].startswith("open_time,open,high,low,close,volume,close_time,quote_volume,count")
    assert len(lines) == 1_441
    assert int(lines[1].split(",")[0]) == FIRST_MS


@pytest.mark.parametrize(
    ("month", "spot_digits", "has_header"),
    [("2024-12", 13, True), ("2025-01", 16, True), ("2021-12", 13, False), ("2022-01", 13, True)],
)
def test_forms_change_at_their_dates(
    venue: Venue, now_ms: int, month: str, spot_digits: int, has_header: bool
) -> None:
    path = f"monthly/klines/ETHUSDT/1d/ETHUSDT-1d-{month}.zip"
    _, spot = lines_of(venue.archive.read(f"spot/{path}", now_ms))
    _, futures = lines_of(venue.archive.read(f"futures/um/{path}", now_ms))
    assert len(spot) == 31
    assert len(spot[0].split(",")[0]) == spot_digits
    assert spot[0][0].isdigit()
    assert futures[0].startswith("open_time") == has_header
    assert len(futures[-1].split(",")[0]) == 13


def test_files_appear_when_they_are_published(engine: SyntheticEngine) -> None:
    venue = Venue(engine, FrozenClock(0), WeightMeter())
    published_ms = FIRST_MS + DAY_MS + 2 * HOUR_MS
    assert venue.archive.read(DAILY, published_ms - 1) is None
    assert venue.archive.read(DAILY, published_ms) is not None
    # July 2025 is published on Monday, the 4th of August.
    month = "spot/monthly/klines/ETHUSDT/1d/ETHUSDT-1d-2025-07.zip"
    monday_ms = 20_304 * DAY_MS + 2 * HOUR_MS
    assert venue.archive.read(month, monday_ms - 1) is None
    assert venue.archive.read(month, monday_ms) is not None


@pytest.mark.parametrize(
    "path",
    [
        "spot/daily/klines/NOPEUSDT/1m/NOPEUSDT-1m-2025-07-30.zip",
        "spot/daily/klines/ETHUSDT/1m/BTCUSDT-1m-2025-07-30.zip",
        "spot/daily/klines/ETHUSDT/1m/ETHUSDT-5m-2025-07-30.zip",
        "spot/daily/klines/ETHUSDT/1w/ETHUSDT-1w-2025-07-30.zip",
        "spot/daily/klines/ETHUSDT/1m/ETHUSDT-1m-2025-02-30.zip",
        "spot/daily/klines/ETHUSDT/1m/ETHUSDT-1m-2017-08-16.zip",
        "spot/monthly/klines/ETHUSDT/1m/ETHUSDT-1m-2017-07.zip",
        "spot/monthly/fundingRate/ETHUSDT/ETHUSDT-fundingRate-2025-05.zip",
        "futures/um/daily/fundingRate/ETHUSDT/ETHUSDT-fundingRate-2025-07-30.zip",
        "futures/um/daily/klines/ETHBTC/1m/ETHBTC-1m-2025-07-30.zip",
        "spot/daily/klines/ETHUSDT/1m/ETHUSDT-1m-2025-07-30.csv",
        "../etc/passwd",
    ],
)
def test_what_is_never_published_is_absent(venue: Venue, now_ms: int, path: str) -> None:
    assert venue.archive.read(path, now_ms) is None
    assert venue.archive.read(f"{path}.CHECKSUM", now_ms) is None


def test_trades_have_eight_columns_at_spot_and_seven_at_futures(venue: Venue, now_ms: int) -> None:
    path = "daily/aggTrades/ZZZUSDT/ZZZUSDT-aggTrades-2025-07-30.zip"
    _, spot = lines_of(venue.archive.read(f"spot/{path}", now_ms))
    first = venue.engine.agg_trades("ZZZUSDT", Window(1, FIRST_MS), now_ms)[0]
    next_day = venue.engine.agg_trades("ZZZUSDT", Window(1, FIRST_MS + DAY_MS), now_ms)[0]
    assert len(spot) == next_day.id - first.id
    assert spot[0].split(",") == [
        *(str(first.id), first.price, first.quantity, str(first.first_id), str(first.last_id)),
        *(f"{first.time_ms}000", str(first.buyer_maker), "True"),
    ]
    _, futures = lines_of(venue.archive.read(f"futures/um/{path}", now_ms))
    assert futures[0].startswith("agg_trade_id,")
    assert {len(line.split(",")) for line in futures} == {7}
    assert {line.split(",")[6] for line in futures[1:]} == {"true", "false"}


def test_funding_files_hold_the_months_payments(venue: Venue, now_ms: int) -> None:
    path = "futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2025-06.zip"
    _, lines = lines_of(venue.archive.read(path, now_ms))
    assert lines[0] == "calc_time,funding_interval_hours,last_funding_rate"
    window = Window(1_000, 20_240 * DAY_MS, 20_270 * DAY_MS - 1)
    rows = venue.funding.rows("BTCUSDT", window, now_ms)
    assert lines[1:] == [f"{row.time_ms},8,{row.rate}" for row in rows]
    assert len(rows) == 90


def test_the_same_truth_has_the_same_bytes(engine: SyntheticEngine, now_ms: int) -> None:
    contents = [
        Venue(engine, FrozenClock(now_ms), WeightMeter()).archive.read(DAILY, now_ms)
        for _ in range(2)
    ]
    assert contents[0] == contents[1]
    venue = Venue(engine, FrozenClock(now_ms), WeightMeter())
    told = venue.archive.read(f"{DAILY}.CHECKSUM", now_ms)
    content = contents[0]
    assert content is not None
    digest = hashlib.sha256(content).hexdigest()
    assert told == f"{digest}  ETHUSDT-1m-2025-07-30.zip\n".encode()


def test_a_revision_changes_the_file_and_its_checksum(engine: SyntheticEngine, now_ms: int) -> None:
    rule = {
        "kind": "revised",
        "venue": "spot",
        "symbol": "ETHUSDT",
        "start": FIRST_MS + 60_000,
        "end": FIRST_MS + 180_000,
        "at": now_ms,
    }
    amendments = Amendments.from_rules([rule])
    venue = Venue(engine, FrozenClock(now_ms), WeightMeter(), amendments=amendments)
    before, after = (venue.archive.read(DAILY, instant) for instant in (now_ms - 1, now_ms))
    sums = [venue.archive.read(f"{DAILY}.CHECKSUM", at) for at in (now_ms - 1, now_ms)]
    assert sums[0] != sums[1]
    old, new = lines_of(before)[1], lines_of(after)[1]
    assert [n for n in range(1_440) if old[n] != new[n]] == [1, 2]
    assert venue.archive.read(FUTURES, now_ms - 1) == venue.archive.read(FUTURES, now_ms)


def test_a_delisted_symbol_keeps_the_files_of_its_life(
    engine: SyntheticEngine, now_ms: int
) -> None:
    rules = [
        {"kind": "delisted", "symbol": "ETHUSDT", "at": FIRST_MS + 60 * 60_000, "gone": True},
        {"kind": "renamed", "old": "BTCUSDT", "new": "XBTUSDT", "at": FIRST_MS},
    ]
    amendments = Amendments.from_rules(rules)
    venue = Venue(engine, FrozenClock(now_ms), WeightMeter(), amendments=amendments)
    assert len(lines_of(venue.archive.read(DAILY, now_ms))[1]) == 60
    later_ms = now_ms + 2 * DAY_MS
    assert venue.archive.read(DAILY.replace("07-30", "07-31"), later_ms) is None
    for symbol, day, exists in (
        ("BTCUSDT", "2025-07-29", True),
        ("BTCUSDT", "2025-07-30", False),
        ("XBTUSDT", "2025-07-29", False),
        ("XBTUSDT", "2025-07-30", True),
    ):
        path = f"spot/daily/klines/{symbol}/1h/{symbol}-1h-{day}.zip"
        assert (venue.archive.read(path, now_ms) is not None) == exists, path


def test_recordings_are_published_too(shared_data: Path) -> None:
    file = shared_data / "binance_usdm_1m" / "FILUSDT-1m-2023-08.csv.gz"
    engine = ReplayEngine(read_recordings([file]))
    now_ms = engine.recorded_span.end_ms + 10 * DAY_MS
    venue = Venue(engine, FrozenClock(now_ms), WeightMeter())
    path = "futures/um/monthly/klines/FILUSDT/1m/FILUSDT-1m-2023-08.zip"
    _, lines = lines_of(venue.archive.read(path, now_ms))
    assert lines[1:] == gzip.decompress(file.read_bytes()).decode().splitlines()[1:]
    coarse = path.replace("1m", "1mo", 2)
    assert len(lines_of(venue.archive.read(coarse, now_ms))[1]) == 2
