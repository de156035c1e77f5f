"""What a sync stores of what a venue says; one symbol that is gone does not hinder the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.base import FundingPage
from include.exchanges.binance_spot.client import TRAITS
from include.jobs.fetch_candles import fetch_new_candles
from include.jobs.sync_reference import UNLISTED, sync_venue
from include.market.errors import InvalidInputError, UnknownInstrumentError
from include.market.instrument import InstrumentRecord, Rename
from include.market.settings import Settings
from include.market.span import Span, from_ms
from include.market.universe import VenueOptions
from include.warehouse.engine import Connection, connect
from tests.support.dictionary_venue import MINUTE, DictionaryVenue
from tests.support.warehouse import START_MS, candles, instrument, load_frame, minutes

NOW = START_MS + 10 * MINUTE


@pytest.fixture
def conn(warehouse_dsn: str) -> Iterator[Connection]:
    with connect(warehouse_dsn, application="test", autocommit=True) as conn:
        yield conn


def venue(*listed: str, later: int = 0) -> DictionaryVenue:
    opens_ms = range(START_MS, NOW, MINUTE)
    return DictionaryVenue(NOW + later * MINUTE, opens_ms, listed=listed)


def statuses(conn: Connection) -> dict[str, str]:
    return dict(conn.execute("SELECT symbol, status FROM market.instrument").fetchall())


def test_all_listed_symbols_take_one_question(conn: Connection) -> None:
    exchange = venue("BTCUSDT", "ETHUSDT")
    assert sync_venue(conn, exchange, ["BTCUSDT", "ETHUSDT"])["inserted"] == 2
    assert exchange.questions == 1


def test_a_symbol_never_listed_is_an_error_after_the_others_are_synced(conn: Connection) -> None:
    with pytest.raises(UnknownInstrumentError, match=r"TYPOUSDT; correct .*other 1 instruments"):
        sync_venue(conn, venue("BTCUSDT"), ["BTCUSDT", "TYPOUSDT"])
    assert statuses(conn) == {"BTCUSDT": "TRADING"}


def test_a_symbol_no_longer_listed_is_marked_and_comes_back_as_itself(conn: Connection) -> None:
    both = ["BTCUSDT", "ETHUSDT"]
    sync_venue(conn, venue(*both), both)
    ids = conn.execute("SELECT symbol, instrument_id FROM market.instrument").fetchall()
    assert sync_venue(conn, venue("BTCUSDT", later=1), both)["changed"] == 1
    assert statuses(conn) == {"BTCUSDT": "TRADING", "ETHUSDT": UNLISTED}
    assert sync_venue(conn, venue("BTCUSDT", later=2), both)["unchanged"] == 2
    sync_venue(conn, venue(*both, later=3), both)
    assert statuses(conn) == dict.fromkeys(both, "TRADING")
    assert conn.execute("SELECT symbol, instrument_id FROM market.instrument").fetchall() == ids


def test_fetching_goes_on_for_the_symbols_that_are_still_there(
    conn: Connection, tmp_path: Path
) -> None:
    both = ["BTCUSDT", "ETHUSDT"]
    sync_venue(conn, venue(*both), both)
    landed = fetch_new_candles(
        conn, venue("ETHUSDT"), Path, Settings(landing_url=str(tmp_path)), both, run_id="r"
    )
    assert landed == {"ETHUSDT": 10}


def test_a_symbol_that_comes_back_with_newer_candles_only_is_itself(conn: Connection) -> None:
    sync_venue(conn, venue("ETHUSDT"), ["ETHUSDT"])
    sync_venue(conn, venue(later=1), ["ETHUSDT"])
    # What the venue keeps begins later now, but it does not say that the symbol was listed anew.
    newer = range(NOW + 2 * MINUTE, NOW + 5 * MINUTE, MINUTE)
    sync_venue(conn, DictionaryVenue(NOW + 5 * MINUTE, newer, listed=("ETHUSDT",)), ["ETHUSDT"])
    assert aliases(conn) == {("ETHUSDT", 1)}
    assert statuses(conn) == {"ETHUSDT": "TRADING"}


def declared(**changes: Any) -> VenueOptions:
    rename = Rename("MATICUSDT", "POLUSDT", from_ms(START_MS + 5 * MINUTE))
    return VenueOptions(**({"renames": (rename,)} | changes))


def aliases(conn: Connection) -> set[tuple[str, int]]:
    return set(conn.execute("SELECT symbol, instrument_id FROM market.instrument_alias").fetchall())


def test_a_declared_rename_goes_on_with_what_was_followed(conn: Connection) -> None:
    sync_venue(conn, venue("MATICUSDT"), ["MATICUSDT"])
    # The old name may still stand in the Variable; the venue need not know it any more.
    totals = sync_venue(conn, venue("POLUSDT", later=1), ["MATICUSDT", "POLUSDT"], declared())
    assert (totals["renamed"], totals["inserted"], totals["changed"]) == (1, 0, 1)
    assert aliases(conn) == {("MATICUSDT", 1), ("POLUSDT", 1)}
    again = sync_venue(conn, venue("POLUSDT", later=2), ["POLUSDT"], declared())
    assert (again["renamed"], again["unchanged"]) == (0, 1)


def test_a_declared_rename_gives_what_is_new_its_former_name_at_once(conn: Connection) -> None:
    totals = sync_venue(conn, venue("POLUSDT"), ["POLUSDT"], declared())
    assert (totals["renamed"], totals["inserted"]) == (1, 1)
    assert aliases(conn) == {("MATICUSDT", 1), ("POLUSDT", 1)}


def test_a_new_name_that_is_not_listed_yet_is_no_mistake(conn: Connection) -> None:
    sync_venue(conn, venue("MATICUSDT"), ["MATICUSDT"])
    sync_venue(conn, venue(later=1), ["POLUSDT"], declared())
    assert statuses(conn) == {"POLUSDT": UNLISTED}
    sync_venue(conn, venue("POLUSDT", later=2), ["POLUSDT"], declared())
    assert statuses(conn) == {"POLUSDT": "TRADING"}
    assert aliases(conn) == {("MATICUSDT", 1), ("POLUSDT", 1)}


def test_an_old_name_is_followed_until_the_rename(conn: Connection) -> None:
    ahead = Rename("MATICUSDT", "POLUSDT", from_ms(NOW + MINUTE))
    sync_venue(conn, venue("MATICUSDT"), ["MATICUSDT"], declared(renames=(ahead,)))
    assert statuses(conn) == {"MATICUSDT": "TRADING"}
    unit = Rename("MATICUSDT", "MATICUSDT", from_ms(START_MS), Decimal(10))
    sync_venue(conn, venue("MATICUSDT", later=1), ["MATICUSDT"], declared(renames=(unit,)))
    assert statuses(conn) == {"MATICUSDT": "TRADING"}


def test_a_name_that_was_taken_back_is_followed_again(conn: Connection) -> None:
    sync_venue(conn, venue("MATICUSDT"), ["MATICUSDT"])
    back = Rename("POLUSDT", "MATICUSDT", from_ms(START_MS + 7 * MINUTE))
    there_and_back = declared(renames=(back, *declared().renames))
    totals = sync_venue(conn, venue("MATICUSDT", later=1), ["MATICUSDT"], there_and_back)
    assert (totals["renamed"], totals["unchanged"]) == (2, 1)
    assert aliases(conn) == {("MATICUSDT", 1), ("POLUSDT", 1)}


def test_a_venue_may_be_given_a_calendar(conn: Connection) -> None:
    sync_venue(conn, venue("BTCUSDT"), ["BTCUSDT"], VenueOptions(calendar="XNYS"))
    # The next seven days from Monday 2024-01-01, a holiday, and no session before the listing.
    opens = conn.execute("SELECT opens_at FROM market.session ORDER BY 1").fetchall()
    assert [at.strftime("%a %H:%M") for (at,) in opens] == [
        f"{day} 14:30" for day in ("Tue", "Wed", "Thu", "Fri")
    ]
    with pytest.raises(InvalidInputError, match="NOPE"):
        sync_venue(conn, venue("BTCUSDT", later=1), ["BTCUSDT"], VenueOptions(calendar="NOPE"))


def park(conn: Connection, *symbols: str) -> None:
    for symbol in symbols:
        conn.execute(
            "INSERT INTO ledger.quarantine (dataset, venue, symbol, payload, rule, detail, state) "
            "VALUES ('candle_1m', 'binance_spot', %s, '{}', 'unknown_instrument', '', 'waiting')",
            (symbol,),
        )


def listed(conn: Connection) -> list[str]:
    return [row[0] for row in conn.execute("SELECT symbol FROM market.listing ORDER BY 1")]


def test_a_symbol_that_rows_wait_for_is_asked_for_once_it_is_proven(conn: Connection) -> None:
    sync_venue(conn, venue("BTCUSDT"), ["BTCUSDT"])
    park(conn, "ETHUSDT", "GONEUSDT", "no symbol; at all")
    exchange = venue("BTCUSDT", "ETHUSDT", later=1)
    assert sync_venue(conn, exchange, ["BTCUSDT"])["listed"] == 1
    assert exchange.questions == 3
    assert listed(conn) == ["BTCUSDT", "ETHUSDT"]
    exchange = venue("BTCUSDT", "ETHUSDT", later=2)
    sync_venue(conn, exchange, ["BTCUSDT"])
    assert exchange.questions == 2
    # Listed is not followed: an instrument comes of it when rows name it.
    assert conn.execute("SELECT market.admit_listed('binance_spot', '{ETHUSDT}')").fetchone() == (
        1,
    )


@dataclass
class Futures(DictionaryVenue):
    """Tells of all its contracts at once, and how often some of them pay."""

    pays_ms: dict[str, int] = field(default_factory=dict)
    traits = replace(TRAITS, funding_interval_ms=28_800_000)

    def listing(self) -> list[InstrumentRecord]:
        self.questions += 1
        kinds = {"BTCUSDT_260101": "quarterly"}
        return [
            instrument(symbol, kind=kinds.get(symbol, "perpetual"), base_asset="BTC")
            for symbol in self.listed
        ]

    def funding_rates(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[FundingPage]:
        raise NotImplementedError

    def funding_intervals_ms(self) -> dict[str, int]:
        return self.pays_ms


def futures(*listed: str, later: int = 0, **pays_ms: int) -> Futures:
    opens_ms = range(START_MS, NOW, MINUTE)
    return Futures(NOW + later * MINUTE, opens_ms, listed=listed, pays_ms=pays_ms)


def test_a_venue_that_tells_of_all_is_asked_once_and_all_is_kept(conn: Connection) -> None:
    exchange = futures("BTCUSDT", "ETHUSDT", "XRPUSDT")
    totals = sync_venue(conn, exchange, ["ETHUSDT", "BTCUSDT"])
    assert (totals["inserted"], totals["listed"], exchange.questions) == (2, 3, 1)
    assert set(statuses(conn)) == {"BTCUSDT", "ETHUSDT"}
    assert listed(conn) == ["BTCUSDT", "ETHUSDT", "XRPUSDT"]
    with pytest.raises(UnknownInstrumentError, match="TYPOUSDT"):
        sync_venue(conn, futures("BTCUSDT", later=1), ["BTCUSDT", "ETHUSDT", "TYPOUSDT"])
    assert statuses(conn) == {"BTCUSDT": "TRADING", "ETHUSDT": UNLISTED}


def test_funding_intervals_are_the_stated_ones_or_the_usual_one(conn: Connection) -> None:
    names = ["BTCUSDT", "ETHUSDT", "BTCUSDT_260101"]
    sync_venue(conn, futures(*names), names)
    sync_venue(conn, futures(*names, later=1, ETHUSDT=14_400_000), names)
    rows = conn.execute(
        "SELECT symbol, array_agg(history.funding_interval_ms ORDER BY history_id) "
        "FROM market.instrument_history AS history JOIN market.instrument USING (instrument_id) "
        "GROUP BY 1"
    ).fetchall()
    assert dict(rows) == {
        "BTCUSDT": [28_800_000],
        "ETHUSDT": [28_800_000, 14_400_000],
        "BTCUSDT_260101": [None],
    }


def test_a_venue_that_forgets_old_candles_does_not_tell_when_a_listing_was(
    conn: Connection,
) -> None:
    exchange = venue("BTCUSDT")
    exchange.traits = replace(TRAITS, depth_candles=10)
    sync_venue(conn, exchange, ["BTCUSDT"])
    assert conn.execute("SELECT listed_at FROM market.instrument").fetchall() == [(None,)]
    exchange = venue("BTCUSDT", later=1)
    sync_venue(conn, exchange, ["BTCUSDT"])
    told = conn.execute("SELECT listed_at FROM market.instrument").fetchall()
    assert told == [(from_ms(START_MS),)]


def test_rows_that_waited_for_a_symbol_are_loaded_once_the_venue_proves_it(
    conn: Connection,
) -> None:
    sync_venue(conn, venue("BTCUSDT"), ["BTCUSDT"])
    conn.autocommit = False
    receipt = load_frame(conn, candles([0, 1]), minutes(0, 2), symbol="ETHUSDT")
    conn.autocommit = True
    assert (receipt.inserted, receipt.quarantined) == (0, 2)
    # The venue does not know it either: the rows go on waiting.
    assert sync_venue(conn, venue("BTCUSDT", later=1), ["BTCUSDT"])["released"] == 0
    exchange = venue("BTCUSDT", "ETHUSDT", later=2)
    assert sync_venue(conn, exchange, ["BTCUSDT"])["released"] == 2
    stored = "SELECT count(*) FROM market.candle_1m JOIN market.instrument USING (instrument_id)"
    assert conn.execute(f"{stored} WHERE symbol = 'ETHUSDT'").fetchone() == (2,)
    assert sync_venue(conn, exchange, ["BTCUSDT"])["released"] == 0


def test_a_declared_rename_releases_the_rows_of_the_former_name(conn: Connection) -> None:
    sync_venue(conn, venue("POLUSDT"), ["POLUSDT"])
    conn.autocommit = False
    load_frame(conn, candles([0, 9]), minutes(0, 10), symbol="MATICUSDT")
    conn.autocommit = True
    totals = sync_venue(conn, venue("POLUSDT", later=1), ["POLUSDT"], declared())
    # What lies after the rename never was the old name's.
    assert (totals["renamed"], totals["released"]) == (1, 1)
