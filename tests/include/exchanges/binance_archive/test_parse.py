"""CSV of the archive: header or none, milliseconds or microseconds, and what is refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.binance_archive.layout import (
    ArchiveFile,
    Market,
    plan_files,
    plan_funding_files,
    plan_trade_files,
)
from include.exchanges.binance_archive.parse import (
    KLINE_NAMES,
    ArchiveCandles,
    ArchiveTrades,
    parse_candles,
    parse_funding,
    parse_trades,
)
from include.exchanges.rows import CandleRows
from include.market.candle import VALUE_COLUMNS
from include.market.errors import ContractError
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1
from tests.support.archive import DAY_0, LATER, day_file, kline, published, text_of

RECORDED = Path(__file__).parents[5] / "shared/data"
MINUTE = M1.length_ms


def candles(lines: list[str], *, market: Market = "spot", header: bool = False) -> ArchiveCandles:
    return parse_candles(published(day_file(market), text_of(lines, header=header)))


def lines(count: int = 20, per_ms: int = 1) -> list[str]:
    return [kline(minute, per_ms=per_ms) for minute in range(count)]


@pytest.mark.parametrize("per_ms", [1, 1000])
@pytest.mark.parametrize("header", [False, True])
def test_both_units_with_and_without_a_header_mean_the_same(per_ms: int, header: bool) -> None:
    found = candles(lines(per_ms=per_ms), header=header)
    rows = found.rows
    assert rows.open_ms.tolist() == [DAY_0 + minute * MINUTE for minute in range(20)]
    assert (rows.close_ms - rows.open_ms == MINUTE - 1).all()
    assert dict(zip(VALUE_COLUMNS, rows.values[0].tolist(), strict=True)) == {
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.0,
        "volume": 2.0,
        "quote_volume": 200.0,
        "taker_buy_volume": 1.0,
        "taker_buy_quote_volume": 100.0,
        "trade_count": 7.0,
    }
    assert rows.raw == [line.encode() for line in lines(per_ms=per_ms)]
    assert (found.outside, found.repeated, found.unplaced) == (0, 0, ())


def test_an_empty_file_holds_no_candles() -> None:
    assert len(candles([]).rows) == 0
    assert len(candles([], header=True).rows) == 0


def test_a_file_that_mixes_units_is_refused() -> None:
    mixed = lines()
    mixed[7] = kline(7, per_ms=1000)
    with pytest.raises(ContractError, match="a mixture"):
        candles(mixed)


def test_seconds_are_refused() -> None:
    seconds = [f"{(DAY_0 + minute * MINUTE) // 1000}" + line[13:]
               for minute, line in enumerate(lines())]  # fmt: skip
    with pytest.raises(ContractError, match="open_time and close_time in milliseconds"):
        candles(seconds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda names: [names[1], names[0], *names[2:]], "expected column 1 to be open_time"),
        (lambda names: [*names[:7], "quote_amount", *names[8:]], "column 8 to be quote_volume"),
        (lambda names: names[:-1], "column 12 to be ignore, was 'nothing'"),
        (lambda names: [*names, "more"], "'more' is new"),
        (lambda names: ["\ufeffopen_time", *names[1:]], "column 1"),
    ],
)
def test_another_header_is_refused_by_the_column_that_differs(
    change: Callable[[list[str]], list[str]], message: str
) -> None:
    header = ",".join(change(list(KLINE_NAMES)))
    with pytest.raises(ContractError, match=message):
        candles([header, *lines()])


def swapped(one: int, other: int) -> list[str]:
    found = []
    for line in lines():
        cells = line.split(",")
        cells[one], cells[other] = cells[other], cells[one]
        found.append(",".join(cells))
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [(0, 6), (2, 3), (1, 2), (3, 4), (5, 7), (5, 9)],
    ids=["times", "high and low", "open and high", "low and close", "volumes", "taker volume"],
)
def test_columns_that_changed_places_are_refused(one: int, other: int) -> None:
    with pytest.raises(ContractError, match="break it"):
        candles(swapped(one, other))


def test_another_number_of_columns_is_refused() -> None:
    with pytest.raises(ContractError, match="expected 12 columns"):
        candles([line.removesuffix(",0") for line in lines()])


def test_candles_of_another_length_are_refused() -> None:
    five = [kline(minute).split(",") for minute in range(0, 100, 5)]
    for cells in five:
        cells[6] = str(int(cells[0]) + 5 * MINUTE - 1)
    with pytest.raises(ContractError, match="1m long"):
        candles([",".join(cells) for cells in five])


def test_a_single_bad_row_is_left_to_the_gate() -> None:
    some = lines()
    some[3] = kline(3).replace("101.0", "98.0", 1)
    some[5] = kline(5).replace("101.0", "what", 1)
    some[6] = kline(6).replace("101.0", "", 1)
    rows = candles(some).rows
    assert len(rows) == 20
    assert rows.column("high")[3] == 98.0
    assert np.isnan(rows.column("high")[[5, 6]]).all()
    assert rows.raw[5] == some[5].encode()


def test_a_line_without_a_time_is_handed_out_apart() -> None:
    some = [*lines(), "never" + kline(20)[13:], kline(21)[:40]]
    found = candles(some)
    assert len(found.rows) == 20
    assert found.unplaced == (some[20].encode(), some[21].encode())


def test_a_file_of_nothing_but_damage_is_refused() -> None:
    with pytest.raises(
        ContractError, match="cannot be read, the first is line 1, column open_time"
    ):
        candles(["1x" + line for line in lines()])


def test_rows_of_other_days_are_dropped_and_counted() -> None:
    found = candles([kline(-1), *lines(), kline(1440)])
    assert (len(found.rows), found.outside) == (20, 2)


def test_rows_come_back_by_open_time_and_repeats_are_dropped() -> None:
    other = kline(4, price=100.5)
    shuffled = [*lines()[10:], *lines()[:12], other]
    found = candles(shuffled)
    assert found.repeated == 2
    assert np.diff(found.rows.open_ms).tolist().count(0) == 1
    assert (np.diff(found.rows.open_ms) >= 0).all()
    assert other.encode() in found.rows.raw


# Prices as a tick times a whole number, so that a line is not plausible by luck alone.
CANDLE = st.tuples(
    st.integers(0, 1439),
    st.lists(st.integers(1, 10**9), min_size=4, max_size=4),
    st.integers(0, 10**8),
    st.integers(0, 100),
)


def as_line(drawn: tuple[int, list[int], int, int], per_ms: int) -> str:
    minute, ticks, lots, share = drawn
    low, one, other, high = sorted(ticks)
    volume, price = lots / 1000, (low + high) / 2 / 100
    open_at = (DAY_0 + minute * MINUTE) * per_ms
    cells = [
        open_at, one / 100, high / 100, low / 100, other / 100, volume,
        open_at + MINUTE * per_ms - 1, repr(price * volume), lots, repr(volume * share / 100),
        repr(price * volume * share / 100), 0,
    ]  # fmt: skip
    return ",".join(str(cell) for cell in cells)


def expected_values(line: str) -> list[float]:
    cells = line.split(",")
    return [float(cells[position]) for position in (1, 2, 3, 4, 5, 7, 9, 10, 8)]


@given(
    st.lists(CANDLE, max_size=40, unique_by=lambda drawn: drawn[0]),
    st.sampled_from([1, 1000]),
    st.booleans(),
    st.sampled_from(["spot", "um"]),
)
def test_rows_written_and_read_are_the_same_rows(
    drawn: list[tuple[int, list[int], int, int]], per_ms: int, header: bool, market: Market
) -> None:
    written = {item[0]: as_line(item, per_ms) for item in drawn}
    rows: CandleRows = candles([*written.values()], market=market, header=header).rows
    in_order = [written[minute] for minute in sorted(written)]
    assert rows.open_ms.tolist() == [DAY_0 + minute * MINUTE for minute in sorted(written)]
    assert (rows.close_ms == rows.open_ms + MINUTE - 1).all()
    assert rows.values.tolist() == [expected_values(line) for line in in_order]
    assert rows.raw == [line.encode() for line in in_order]


def trade_file(market: Market) -> ArchiveFile:
    (file,) = plan_trade_files(market, "BTCUSDT", Span(DAY_0, DAY_0 + DAY_MS), now_ms=LATER)
    return file


def trades(market: Market, some: list[str]) -> ArchiveTrades:
    return parse_trades(published(trade_file(market), text_of(some)))


def trade(number: int, per_ms: int = 1, *, last: str = ",True") -> str:
    when = (DAY_0 + number * 10) * per_ms
    return f"{number},100.5,0.25,{number * 2},{number * 2 + 1},{when},True{last}"


def test_spot_trades_have_eight_columns_and_futures_seven() -> None:
    spot = trades("spot", [trade(number, 1000) for number in range(9)]).rows
    futures = trades("um", [trade(number, last="").replace("True", "true") for number in range(9)])
    for rows in (spot, futures.rows):
        assert rows.agg_id.tolist() == list(range(9))
        assert rows.time_ms.tolist() == [DAY_0 + number * 10 for number in range(9)]
        assert (rows.price[0], rows.quantity[0]) == (100.5, 0.25)
        assert (rows.last_trade_id - rows.first_trade_id == 1).all()
        assert rows.buyer_maker.all()
    with pytest.raises(ContractError, match="expected 7 columns"):
        trades("um", [trade(1)])
    with pytest.raises(ContractError, match="expected 8 columns"):
        trades("spot", [trade(1, last="")])


def test_trades_come_by_id_and_two_under_one_id_are_refused() -> None:
    some = [trade(number) for number in range(9)]
    found = trades("spot", [*some[5:], *some[:6]])
    assert found.rows.agg_id.tolist() == list(range(9))
    assert found.repeated == 1
    with pytest.raises(ContractError, match="two trades have the id 3"):
        trades("spot", [*some, some[3].replace("100.5", "100.6")])


def test_trades_whose_columns_changed_places_are_refused() -> None:
    some = [trade(number).split(",") for number in range(9)]
    with pytest.raises(ContractError, match="first_trade_id <= last_trade_id"):
        trades("spot", [",".join([*c[:3], c[4], c[3], *c[5:]]) for c in some])
    with pytest.raises(ContractError, match="above zero"):
        trades("spot", [",".join([c[0], "0", *c[2:]]) for c in some])


def funding_file() -> ArchiveFile:
    (file,) = plan_funding_files("BTCUSDT", Span(DAY_0, DAY_0 + DAY_MS), now_ms=LATER)
    return file


def test_funding_keeps_its_milliseconds_beside_the_boundary() -> None:
    some = [f"{DAY_0 + at * 8 * 3_600_000 + at},8,0.0001{at}" for at in range(5)]
    header = "calc_time,funding_interval_hours,last_funding_rate"
    rows = parse_funding(published(funding_file(), text_of([header, *some]))).rows
    assert rows.funding_ms.tolist() == [DAY_0 + at * 8 * 3_600_000 + at for at in range(5)]
    assert rows.rate.tolist() == [float(f"0.0001{at}") for at in range(5)]
    assert set(rows.interval_ms.tolist()) == {8 * 3_600_000}
    assert np.isnan(rows.mark_price).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [(f"{DAY_0},480,0.0001", "1 to 24 hours"), (f"{DAY_0},8,12.5", "below 1 in size")],
)
def test_funding_that_cannot_be_is_refused(line: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        parse_funding(published(funding_file(), text_of([line])))


@pytest.mark.parametrize("name", ["FILUSDT-1m-2023-08", "NEARUSDT-1m-2023-09"])
def test_a_recorded_month_of_futures_is_read_to_the_last_row(name: str) -> None:
    recorded = RECORDED / f"binance_usdm_1m/{name}.csv.gz"
    if not recorded.exists():
        pytest.skip(f"{recorded} is not here: recorded market data lies beside the project")
    symbol, _, date = name.split("-", 2)
    month = int(np.datetime64(f"{date}-01", "ms").astype(np.int64))
    span = Span(
        month, int((np.datetime64(date, "M") + 1).astype("datetime64[ms]").astype(np.int64))
    )
    (file,) = plan_files("um", symbol, M1, span, now_ms=LATER)
    text = gzip.decompress(recorded.read_bytes())
    found = parse_candles(published(file, text))
    assert len(found.rows) == (span.end_ms - span.start_ms) // MINUTE
    assert (found.outside, found.repeated, found.unplaced) == (0, 0, ())
    assert (np.diff(found.rows.open_ms) == MINUTE).all()
    assert found.rows.raw == text.splitlines()[1:]
