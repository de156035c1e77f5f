"""Reference data keeps its identities and its history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.market.errors import ContractError, UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.warehouse.engine import Connection
from include.warehouse.reference import (
    ReferenceReceipt,
    instrument_ids,
    rename_instrument,
    sync_instruments,
)
from tests.support.warehouse import START, VENUE, instrument, query

HISTORY = (
    "SELECT status, tick_size, lower(valid_during), upper(valid_during) "
    "FROM market.instrument_history WHERE instrument_id = %s ORDER BY valid_during"
)
ALIASES = (
    "SELECT symbol, instrument_id, lower(valid_during), upper(valid_during) "
    "FROM market.instrument_alias ORDER BY alias_id"
)


def sync(
    connection: Connection,
    records: Sequence[InstrumentRecord],
    *,
    day: int = 0,
    complete: bool = False,
) -> ReferenceReceipt:
    receipt = sync_instruments(
        connection, VENUE, records, observed_at=START + timedelta(days=day), complete=complete
    )
    connection.commit()
    return receipt


def on_day(number: float) -> datetime:
    return START + timedelta(days=number)


def ids(connection: Connection) -> dict[str, int]:
    found = instrument_ids(connection, VENUE.name)
    connection.commit()
    return found


def test_the_first_sync_makes_venue_assets_and_instruments_known(connection: Connection) -> None:
    records = [
        instrument("BTCUSDT"),
        instrument("ETHUSDT"),
        instrument("ETHBTC", quote_asset="BTC", base_asset="ETH"),
    ]
    assert sync(connection, records) == ReferenceReceipt(3, 0, 0)
    assert set(ids(connection)) == {"BTCUSDT", "ETHUSDT", "ETHBTC"}
    assert query(connection, "SELECT code FROM market.asset ORDER BY code") == [
        ("BTC",), ("ETH",), ("USDT",)
    ]  # fmt: skip
    assert query(
        connection,
        "SELECT base.code, quote.code, i.kind, i.status, i.tick_size, i.lot_size "
        "FROM market.instrument AS i JOIN market.asset AS base ON base.asset_id = base_asset_id "
        "JOIN market.asset AS quote ON quote.asset_id = quote_asset_id WHERE symbol = 'ETHBTC'",
    ) == [("ETH", "BTC", "spot", "TRADING", Decimal("0.01"), Decimal("0.00001"))]


def test_syncing_the_same_again_writes_nothing(connection: Connection) -> None:
    records = [instrument("BTCUSDT"), instrument("ETHUSDT", tick_size="0.1")]
    sync(connection, records)
    traces = [
        query(connection, f"SELECT xmin, t FROM market.{table} AS t")
        for table in ("asset", "instrument", "instrument_history", "instrument_alias")
    ]
    # The same number written otherwise is the same.
    again = [instrument("BTCUSDT", tick_size="0.010"), instrument("ETHUSDT", tick_size="0.1000")]
    assert sync(connection, again, day=1) == ReferenceReceipt(0, 0, 2)
    assert traces == [
        query(connection, f"SELECT xmin, t FROM market.{table} AS t")
        for table in ("asset", "instrument", "instrument_history", "instrument_alias")
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "BREAK"},
        {"tick_size": "0.5"},
        {"lot_size": "3"},
        {"funding_interval_ms": 14_400_000},
    ],
    ids=str,
)
def test_another_attribute_starts_a_version_and_keeps_the_identity(
    connection: Connection, change: dict[str, Any]
) -> None:
    sync(connection, [instrument("BTCUSDT")])
    before = ids(connection)
    assert sync(connection, [instrument("BTCUSDT", **change)], day=5) == ReferenceReceipt(0, 1, 0)
    assert ids(connection) == before
    versions = query(connection, HISTORY, before["BTCUSDT"])
    assert [version[2:] for version in versions] == [(START, on_day(5)), (on_day(5), None)]
    assert versions[0][0] == "TRADING"
    [(name, value)] = change.items()
    newest = query(connection, f"SELECT {name}::text FROM market.instrument")
    assert newest == [(str(value),)]
    assert query(
        connection,
        f"SELECT {name}::text FROM market.instrument_history ORDER BY valid_during DESC LIMIT 1",
    ) == [(str(value),)]


def test_a_status_that_comes_and_goes_is_three_versions(connection: Connection) -> None:
    for day, status in enumerate(["TRADING", "BREAK", "TRADING"]):
        sync(connection, [instrument("BTCUSDT", status=status)], day=day)
    assert [version[0] for version in query(connection, HISTORY, 1)] == [
        "TRADING",
        "BREAK",
        "TRADING",
    ]


def test_a_listing_date_that_is_learnt_later_is_a_change_without_a_version(
    connection: Connection,
) -> None:
    sync(connection, [instrument("BTCUSDT")])
    listed = datetime(2017, 8, 17, 4, tzinfo=UTC)
    assert sync(connection, [instrument("BTCUSDT", listed_at=listed)], day=1).changed == 1
    assert query(connection, "SELECT listed_at FROM market.instrument") == [(listed,)]
    assert len(query(connection, HISTORY, 1)) == 1


def test_an_observation_older_than_the_newest_version_changes_nothing(
    connection: Connection,
) -> None:
    sync(connection, [instrument("BTCUSDT")], day=5)
    receipt = sync(connection, [instrument("BTCUSDT", status="BREAK")], day=4)
    assert receipt == ReferenceReceipt(0, 0, 1)
    assert query(connection, "SELECT status FROM market.instrument") == [("TRADING",)]


def test_a_symbol_first_seen_names_its_instrument_since_its_listing_day_or_ever(
    connection: Connection,
) -> None:
    listed = datetime(2023, 5, 6, 7, 8, tzinfo=UTC)
    sync(connection, [instrument("BTCUSDT"), instrument("ETHUSDT", listed_at=listed)])
    assert [row[0::2] for row in query(connection, ALIASES)] == [
        ("BTCUSDT", None),
        ("ETHUSDT", datetime(2023, 5, 6, tzinfo=UTC)),
    ]


def test_an_incomplete_list_delists_nobody(connection: Connection) -> None:
    sync(connection, [instrument("BTCUSDT"), instrument("ETHUSDT")])
    assert sync(connection, [instrument("BTCUSDT")], day=1) == ReferenceReceipt(0, 0, 1)
    assert set(ids(connection)) == {"BTCUSDT", "ETHUSDT"}


def test_a_symbol_missing_from_a_complete_list_is_delisted_and_names_another_when_it_returns(
    connection: Connection,
) -> None:
    both = [instrument("BTCUSDT"), instrument("ETHUSDT")]
    sync(connection, both)
    old = ids(connection)["ETHUSDT"]
    receipt = sync(connection, both[:1], day=1, complete=True)
    assert receipt == ReferenceReceipt(0, 0, 1, delisted=1)
    assert set(ids(connection)) == {"BTCUSDT"}
    assert query(
        connection,
        "SELECT status, delisted_at, upper(valid_during) FROM market.instrument "
        "WHERE instrument_id = %s",
        old,
    ) == [("DELISTED", on_day(1), on_day(1))]
    assert [version[0] for version in query(connection, HISTORY, old)] == ["TRADING", "DELISTED"]
    assert sync(connection, both, day=9, complete=True) == ReferenceReceipt(1, 0, 1)
    new = ids(connection)["ETHUSDT"]
    assert new != old
    assert [row for row in query(connection, ALIASES) if row[0] == "ETHUSDT"] == [
        ("ETHUSDT", old, None, on_day(1)),
        ("ETHUSDT", new, on_day(1), None),
    ]
    assert len(query(connection, HISTORY, old)) == 2


@pytest.mark.parametrize(
    "change", [{"kind": "perpetual"}, {"base_asset": "XBT"}, {"quote_asset": "USDC"}], ids=str
)
def test_a_symbol_given_to_another_thing_names_another_instrument(
    connection: Connection, change: dict[str, Any]
) -> None:
    sync(connection, [instrument("BTCUSDT")])
    old = ids(connection)["BTCUSDT"]
    receipt = sync(connection, [instrument("BTCUSDT", **change)], day=3)
    assert receipt == ReferenceReceipt(1, 0, 0, delisted=1)
    assert ids(connection)["BTCUSDT"] != old
    assert [row[2:] for row in query(connection, ALIASES)] == [
        (None, on_day(3)),
        (on_day(3), None),
    ]


def relist(connection: Connection, ended: dict[str, Any], **changes: Any) -> tuple[int, int]:
    """List a contract, end it on day 2 as told, list it again; return its ids before and after."""
    first = {"listed_at": on_day(-9), "kind": "perpetual"}
    sync(connection, [instrument("BTCUSDT", **first)])
    old = ids(connection)["BTCUSDT"]
    sync(connection, [instrument("BTCUSDT", **(first | ended))], day=2)
    sync(connection, [instrument("BTCUSDT", **(first | changes))], day=9)
    return old, ids(connection)["BTCUSDT"]


ENDINGS = [
    {"status": "UNLISTED"},
    {"status": "CLOSE"},
    {"status": "SETTLING", "delisted_at": START + timedelta(days=2)},
]


@pytest.mark.parametrize("ended", ENDINGS, ids=str)
def test_a_symbol_listed_again_after_its_end_names_another_instrument(
    connection: Connection, ended: dict[str, Any]
) -> None:
    old, new = relist(connection, ended, listed_at=on_day(7))
    assert new != old
    # Rows between the new listing and its discovery are the new one's.
    assert query(connection, ALIASES) == [
        ("BTCUSDT", old, on_day(-9), on_day(7)),
        ("BTCUSDT", new, on_day(7), None),
    ]
    assert [version[0] for version in query(connection, HISTORY, old)] == [
        "TRADING",
        ended["status"],
        "DELISTED",
    ]
    assert [version[0] for version in query(connection, HISTORY, new)] == ["TRADING"]
    assert query(connection, "SELECT status FROM market.instrument ORDER BY instrument_id") == [
        ("DELISTED",),
        ("TRADING",),
    ]


@pytest.mark.parametrize("ended", ENDINGS, ids=str)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"listed_at": None},
        {"listed_at": START + timedelta(days=2)},
        # Only our inference: the venue keeps no candles of before.
        {"listed_at": START + timedelta(days=7), "listing_inferred": True},
    ],
    ids=str,
)
def test_a_symbol_that_comes_back_without_a_later_listing_is_itself(
    connection: Connection, ended: dict[str, Any], changes: dict[str, Any]
) -> None:
    old, new = relist(connection, ended, **changes)
    assert new == old


def test_a_pause_is_no_end(connection: Connection) -> None:
    old, new = relist(connection, {"status": "BREAK"}, listed_at=on_day(7))
    assert new == old


def test_another_asset_takes_a_name_over_on_the_day_it_was_listed(connection: Connection) -> None:
    sync(connection, [instrument("LUNAUSDT", listed_at=on_day(-9))])
    other = instrument("LUNAUSDT", base_asset="LUNA2", listed_at=on_day(4))
    sync(connection, [other], day=9)
    assert [row[2:] for row in query(connection, ALIASES)] == [
        (on_day(-9), on_day(4)),
        (on_day(4), None),
    ]
    assert query(
        connection, "SELECT delisted_at FROM market.instrument ORDER BY instrument_id"
    ) == [(on_day(4),), (None,)]


@pytest.mark.parametrize("listed", [-9, -10, 10], ids=["same day", "earlier", "later"])
def test_a_listing_that_cannot_be_the_takeover_dates_nothing(
    connection: Connection, listed: int
) -> None:
    sync(connection, [instrument("LUNAUSDT", listed_at=on_day(-9.5))])
    other = instrument("LUNAUSDT", base_asset="LUNA2", listed_at=on_day(listed - 0.5))
    sync(connection, [other], day=9)
    assert [row[2:] for row in query(connection, ALIASES)] == [
        (on_day(-10), on_day(9)),
        (on_day(9), None),
    ]


def test_a_venue_tells_how_it_spells_symbols(connection: Connection) -> None:
    sync(connection, [])
    sync_instruments(
        connection, VenueRecord(VENUE.name, VENUE.title, symbol_case="upper"), [], observed_at=START
    )
    assert query(connection, "SELECT symbol_case FROM market.venue") == [("upper",)]


@pytest.mark.parametrize("kept", [0, 1], ids=["empty", "most missing"])
def test_a_complete_list_that_lost_most_of_the_venue_is_a_broken_answer(
    connection: Connection, kept: int
) -> None:
    records = [instrument(f"{name}USDT") for name in ("A", "B", "C")]
    sync(connection, records)
    with pytest.raises(ContractError, match="expected a complete list"):
        sync(connection, records[:kept], day=1, complete=True)
    connection.rollback()
    assert len(ids(connection)) == 3


@pytest.mark.parametrize(
    ("records", "named"),
    [
        ([instrument("BTCUSDT"), instrument("BTCUSDT", status="BREAK")], "repeats BTCUSDT"),
        ([instrument("BTCUSDT", tick_size="small")], "small"),
        ([instrument("BTCUSDT", tick_size="NaN")], "instrument_tick_size"),
        ([instrument("BTCUSDT", lot_size="-1")], "instrument_lot_size"),
        ([instrument("BTC USDT", base_asset="BTC")], "instrument_symbol"),
        ([instrument("BTCUSDT", base_asset="B TC")], "asset_code"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(
    connection: Connection, records: list[InstrumentRecord], named: str
) -> None:
    with pytest.raises(ContractError, match=named):
        sync(connection, records)
    connection.rollback()
    assert query(connection, "SELECT FROM market.instrument") == []


def test_venues_do_not_share_symbols(connection: Connection) -> None:
    sync(connection, [instrument("BTCUSDT")])
    other = VenueRecord("other", "Other")
    sync_instruments(connection, other, [instrument("BTCUSDT")], observed_at=START)
    assert instrument_ids(connection, "other")["BTCUSDT"] != ids(connection)["BTCUSDT"]
    assert instrument_ids(connection, "nowhere") == {}


def test_the_title_of_a_venue_may_change(connection: Connection) -> None:
    sync(connection, [])
    renamed = VenueRecord(VENUE.name, "New title")
    sync_instruments(connection, renamed, [], observed_at=START)
    assert query(connection, "SELECT name, title FROM market.venue") == [(VENUE.name, "New title")]


def test_two_syncs_at_once_agree(connection: Connection, dial: Callable[[], Connection]) -> None:
    sessions = [dial() for _ in range(3)]
    records = [instrument(f"A{number}USDT") for number in range(50)]

    def work(number: int) -> ReferenceReceipt:
        return sync(sessions[number], records if number % 2 else records[::-1])

    with ThreadPoolExecutor(3) as pool:
        receipts = list(pool.map(work, range(3)))
    assert sorted(receipt.inserted for receipt in receipts) == [0, 0, 50]
    assert len(ids(connection)) == 50


def test_a_rename_moves_the_symbol_and_keeps_the_instrument(connection: Connection) -> None:
    sync(connection, [instrument("OLDUSDT")])
    renamed = rename_instrument(
        connection, VENUE.name, old="OLDUSDT", new="NEWUSDT", renamed_at=on_day(2)
    )
    connection.commit()
    assert ids(connection) == {"NEWUSDT": renamed}
    assert query(connection, ALIASES) == [
        ("OLDUSDT", renamed, None, on_day(2)),
        ("NEWUSDT", renamed, on_day(2), None),
    ]
    record = instrument("NEWUSDT", status="BREAK")
    assert sync(connection, [record], day=3) == ReferenceReceipt(0, 1, 0)


def test_a_rename_of_nothing_or_onto_somebody_is_refused(connection: Connection) -> None:
    sync(connection, [instrument("AUSDT"), instrument("BUSDT")])
    with pytest.raises(UnknownInstrumentError, match="XUSDT"):
        rename_instrument(connection, VENUE.name, old="XUSDT", new="Y", renamed_at=START)
    with pytest.raises(ContractError):
        rename_instrument(connection, VENUE.name, old="AUSDT", new="BUSDT", renamed_at=START)
