"""One symbol that is gone does not keep the others from being synced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.jobs.fetch_candles import fetch_new_candles
from include.jobs.sync_reference import UNLISTED, sync_venue
from include.market.errors import UnknownInstrumentError
from include.market.settings import Settings
from include.warehouse.engine import Connection, connect
from tests.support.dictionary_venue import MINUTE, DictionaryVenue
from tests.support.warehouse import START_MS

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
