"""What a venue lists lets an instrument in that rows have named before anybody followed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest

from include.market.instrument import InstrumentRecord, VenueRecord
from include.warehouse.engine import Connection
from include.warehouse.listing import record_listing, waiting_symbols
from include.warehouse.reference import instrument_ids, rename_instrument, sync_instruments
from tests.support.warehouse import START, VENUE, instrument, moment, query

LATER = START + timedelta(hours=1)


@pytest.fixture(params=["exact", "upper"])
def case(request: pytest.FixtureRequest, connection: Connection) -> str:
    meet(connection, symbol_case=request.param)
    return str(request.param)


def meet(connection: Connection, **changes: str) -> None:
    venue = VenueRecord(VENUE.name, VENUE.title, **changes)  # type: ignore[arg-type]
    sync_instruments(connection, venue, [], observed_at=START)
    connection.commit()


def record(connection: Connection, *records: InstrumentRecord, hours: int = 0) -> int:
    observed_at = START + timedelta(hours=hours)
    changed = record_listing(connection, VENUE.name, records, observed_at=observed_at)
    connection.commit()
    return changed


def admit(connection: Connection, *symbols: str) -> int:
    row = connection.execute(
        "SELECT market.admit_listed(%s, %s)", (VENUE.name, list(symbols))
    ).fetchone()
    connection.commit()
    assert row is not None
    return int(row[0])


def test_a_statement_is_kept_once_until_it_changes(connection: Connection) -> None:
    meet(connection)
    records = [instrument("BTCUSDT"), instrument("ETHUSDT")]
    assert record(connection, *records) == 2
    before = query(connection, "SELECT xmin, l FROM market.listing AS l")
    assert record(connection, *records, hours=1) == 0
    assert query(connection, "SELECT xmin, l FROM market.listing AS l") == before
    halted = instrument("ETHUSDT", status="BREAK")
    assert record(connection, records[0], halted, hours=2) == 1
    # One older than what is kept changes nothing.
    assert record(connection, *records, hours=1) == 0
    assert query(
        connection, "SELECT status, observed_at FROM market.listing WHERE symbol = 'ETHUSDT'"
    ) == [("BREAK", START + timedelta(hours=2))]


def test_a_list_with_odd_entries_keeps_the_others(connection: Connection) -> None:
    meet(connection)
    odd = [
        instrument("A B", base_asset="A"),
        instrument("BTCUSDT"),
        instrument("NULUSDT", status="\0"),
        instrument("BTCUSDT"),
        instrument("", base_asset="B"),
    ]
    assert record(connection, *odd) == 1
    assert query(connection, "SELECT symbol FROM market.listing") == [("BTCUSDT",)]


def test_nothing_is_kept_of_a_venue_nobody_synced(connection: Connection) -> None:
    assert record(connection, instrument("BTCUSDT")) == 0


def test_what_is_listed_is_let_in_with_all_that_is_stated_of_it(connection: Connection) -> None:
    meet(connection)
    listed = instrument(
        "ADAUSDT",
        kind="perpetual",
        tick_size="0.0001",
        lot_size="1",
        listed_at=moment(90),
        funding_interval_ms=3_600_000,
    )
    record(connection, listed, instrument("XRPUSDT"), hours=1)
    assert admit(connection, "ADAUSDT", "NOPEUSDT", "ADAUSDT") == 1
    assert query(
        connection,
        "SELECT symbol, base.code, quote.code, kind, status, tick_size, lot_size, listed_at, "
        "delisted_at, funding_interval_ms, lower(valid_during) FROM market.instrument "
        "JOIN market.asset AS base ON base.asset_id = base_asset_id "
        "JOIN market.asset AS quote ON quote.asset_id = quote_asset_id",
    ) == [
        ("ADAUSDT", "ADA", "USDT", "perpetual", "TRADING", Decimal("0.0001"), Decimal(1),
         moment(90), None, 3_600_000, START)
    ]  # fmt: skip
    assert query(
        connection,
        "SELECT lower(valid_during), status, tick_size, funding_interval_ms "
        "FROM market.instrument_history",
    ) == [(LATER, "TRADING", Decimal("0.0001"), 3_600_000)]
    assert query(connection, "SELECT symbol, lower(valid_during) FROM market.instrument_alias") == [
        ("ADAUSDT", START)
    ]
    assert admit(connection, "ADAUSDT") == 0


def test_a_sync_finds_an_admitted_instrument_as_if_it_had_made_it(connection: Connection) -> None:
    meet(connection)
    record(connection, instrument("ADAUSDT"))
    admit(connection, "ADAUSDT")
    owner = instrument_ids(connection, VENUE.name)["ADAUSDT"]
    receipt = sync_instruments(connection, VENUE, [instrument("ADAUSDT")], observed_at=LATER)
    assert receipt.unchanged == 1
    assert instrument_ids(connection, VENUE.name) == {"ADAUSDT": owner}


def test_symbols_are_spelled_as_the_venue_does(connection: Connection, case: str) -> None:
    record(connection, instrument("ADAUSDT"))
    assert admit(connection, "AdaUsdt") == (1 if case == "upper" else 0)
    assert list(instrument_ids(connection, VENUE.name)) == ["ADAUSDT"] * (case == "upper")


def test_only_plain_letters_have_a_case(connection: Connection) -> None:
    [(spelled,)] = query(connection, "SELECT market.spell('straße1币q', 'upper')")
    assert spelled == "STRAßE1币Q"
    assert query(connection, "SELECT market.spell('aB', 'exact')") == [("aB",)]


@pytest.mark.parametrize(
    "changes",
    [
        {"tick_size": "small"},
        {"tick_size": "-1"},
        {"lot_size": "NaN"},
        {"lot_size": "1e30"},
        {"base_asset": "A DA"},
        {"base_asset": ""},
        {"kind": " "},
        {"status": ""},
        {"funding_interval_ms": 1},
    ],
    ids=str,
)
def test_what_could_not_be_stored_is_not_let_in_and_hinders_nobody(
    connection: Connection, changes: dict[str, str]
) -> None:
    meet(connection)
    record(connection, instrument("ADAUSDT", **changes), instrument("XRPUSDT"))
    assert admit(connection, "ADAUSDT", "XRPUSDT") == 1
    assert list(instrument_ids(connection, VENUE.name)) == ["XRPUSDT"]


def test_a_name_that_once_meant_something_is_never_let_in_again(connection: Connection) -> None:
    sync_instruments(connection, VENUE, [instrument("OLDUSDT")], observed_at=START)
    rename_instrument(connection, VENUE.name, old="OLDUSDT", new="NEWUSDT", renamed_at=LATER)
    record(connection, instrument("OLDUSDT"), instrument("NEWUSDT"))
    assert admit(connection, "OLDUSDT", "NEWUSDT") == 0


@pytest.mark.parametrize("symbols", [[], ["NOPE"]])
def test_nothing_to_admit_takes_no_lock(
    connection: Connection, dial: Callable[[], Connection], symbols: Sequence[str]
) -> None:
    meet(connection)
    connection.execute("SELECT FROM market.venue FOR UPDATE")
    other = dial()
    other.execute("SET lock_timeout = '100ms'")
    assert admit(other, *symbols) == 0
    row = other.execute("SELECT market.admit_listed('nowhere', '{ADAUSDT}')").fetchone()
    assert row == (0,)


def test_admissions_at_once_agree(connection: Connection, dial: Callable[[], Connection]) -> None:
    meet(connection)
    names = [f"A{number}USDT" for number in range(30)]
    record(connection, *(instrument(name) for name in names))
    opened = [dial() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        admitted = list(pool.map(lambda one: admit(one, *names), opened))
    assert sorted(admitted) == [0, 0, 30]
    assert len(instrument_ids(connection, VENUE.name)) == 30


def park(connection: Connection, symbol: str, *, state: str = "waiting", venue: str = "") -> None:
    connection.execute(
        "INSERT INTO ledger.quarantine (dataset, venue, symbol, payload, rule, detail, state) "
        "VALUES ('candle_1m', %s, %s, '{}', 'unknown_instrument', '', %s)",
        (venue or VENUE.name, symbol, state),
    )
    connection.commit()


def test_symbols_that_rows_wait_for_and_nothing_proves_are_told_the_oldest_first(
    connection: Connection,
) -> None:
    meet(connection, symbol_case="upper")
    sync_instruments(connection, VENUE, [instrument("KNOWNUSDT")], observed_at=START)
    meet(connection, symbol_case="upper")
    record(connection, instrument("LISTEDUSDT"))
    for symbol in ("zusdt", "AUSDT", "ZUSDT", "KNOWNUSDT", "LISTEDUSDT"):
        park(connection, symbol)
    park(connection, "FINALUSDT", state="final")
    park(connection, "OTHERUSDT", venue="elsewhere")
    assert waiting_symbols(connection, VENUE.name, limit=9) == ["ZUSDT", "AUSDT"]
    assert waiting_symbols(connection, VENUE.name, limit=1) == ["ZUSDT"]
