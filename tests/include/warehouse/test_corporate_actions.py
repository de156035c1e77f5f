"""Renames and changes of unit: one series, under the right name at every instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.market.errors import ContractError, InvalidInputError
from include.market.instrument import InstrumentRecord, Rename
from include.market.span import Span
from include.market.timeframe import M1, Timeframe
from include.warehouse.corporate_actions import apply_renames
from include.warehouse.engine import Connection
from include.warehouse.loader import merge_coarse
from include.warehouse.reference import instrument_ids, rename_instrument, sync_instruments
from tests.support.warehouse import (
    START,
    VENUE,
    candles,
    instrument,
    load_frame,
    minutes,
    moment,
    query,
)

ALIASES = (
    "SELECT symbol, instrument_id, lower(valid_during), upper(valid_during) "
    "FROM market.instrument_alias ORDER BY lower(valid_during) NULLS FIRST, symbol"
)
ACTIONS = (
    "SELECT instrument_id, successor_id, old_symbol, new_symbol, effective_at, factor, code, "
    "resumed_at FROM market.corporate_action AS action "
    "LEFT JOIN market.asset ON asset_id = action.base_asset_id ORDER BY action_id"
)
ADJUSTED = (
    "SELECT instrument_id, open_time, open, high, low, close, volume, quote_volume, "
    "taker_buy_volume, taker_buy_quote_volume, trade_count, factor "
    "FROM market.adjusted_candle(%s, %s, tstzrange(%s, %s)) ORDER BY open_time"
)
AT = START + timedelta(days=2)
OBSERVED = START + timedelta(days=5)
M5 = Timeframe(5 * M1.length_ms, "5m")


def on_day(number: float) -> datetime:
    return START + timedelta(days=number)


def rename(old: str = "MATICUSDT", new: str = "POLUSDT", **changes: Any) -> Rename:
    return Rename(**({"old": old, "new": new, "at": AT} | changes))


def apply(connection: Connection, *renames: Rename, observed_at: datetime = OBSERVED) -> int:
    applied = apply_renames(connection, VENUE.name, renames, observed_at=observed_at)
    connection.commit()
    return applied


def sync(connection: Connection, *records: InstrumentRecord, at: datetime = START) -> None:
    sync_instruments(connection, VENUE, records, observed_at=at)
    connection.commit()


def ids(connection: Connection) -> dict[str, int]:
    found = instrument_ids(connection, VENUE.name)
    connection.commit()
    return found


def adjusted(
    connection: Connection, owner: int, span: Span | None = None, timeframe: str = "1m"
) -> list[tuple[Any, ...]]:
    asked = (None, None) if span is None else (span.start_time, span.end_time)
    return query(connection, ADJUSTED, timeframe, owner, *asked)


def test_what_was_followed_goes_on_under_its_new_name(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT", listed_at=on_day(-9)))
    owner = ids(connection)["MATICUSDT"]
    assert apply(connection, rename()) == 1
    assert query(connection, ALIASES) == [
        ("MATICUSDT", owner, on_day(-9), AT),
        ("POLUSDT", owner, AT, None),
    ]
    assert query(connection, ACTIONS) == [
        (owner, owner, "MATICUSDT", "POLUSDT", AT, Decimal(1), None, None)
    ]
    # What the venue states of the new name is adopted; the listing is still the old one's.
    sync(connection, instrument("POLUSDT", listed_at=on_day(3)), at=OBSERVED)
    assert ids(connection) == {"POLUSDT": owner}
    assert query(connection, ACTIONS)[0][6:] == ("POL", on_day(3))
    assert query(
        connection,
        "SELECT symbol, code, listed_at, lower(valid_during) FROM market.instrument "
        "JOIN market.asset ON asset_id = base_asset_id",
    ) == [("POLUSDT", "POL", on_day(-9), AT)]


def test_applying_again_writes_nothing(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    apply(connection, rename())
    sync(connection, instrument("POLUSDT", listed_at=on_day(3)), at=OBSERVED)
    tables = ("instrument", "instrument_alias", "instrument_history", "corporate_action")
    before = [query(connection, f"SELECT xmin, t FROM market.{table} AS t") for table in tables]
    assert apply(connection, rename(), observed_at=on_day(6)) == 0
    sync(connection, instrument("POLUSDT", listed_at=on_day(3)), at=on_day(6))
    assert before == [
        query(connection, f"SELECT xmin, t FROM market.{table} AS t") for table in tables
    ]


def test_only_the_first_statement_of_the_new_name_is_taken_for_the_renamed_one(
    connection: Connection,
) -> None:
    sync(connection, instrument("MATICUSDT"))
    owner = ids(connection)["MATICUSDT"]
    apply(connection, rename())
    sync(connection, instrument("POLUSDT"), at=OBSERVED)
    sync(connection, instrument("POLUSDT", base_asset="OTHER"), at=on_day(6))
    assert ids(connection)["POLUSDT"] != owner


def test_until_the_venue_lists_the_new_name_nothing_is_adopted(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    owner = ids(connection)["MATICUSDT"]
    apply(connection, rename())
    gone = instrument("POLUSDT", base_asset="MATIC", status="UNLISTED")
    sync(connection, gone, at=on_day(3))
    assert query(connection, ACTIONS)[0][6] is None
    sync(connection, instrument("POLUSDT", listed_at=on_day(4)), at=OBSERVED)
    assert ids(connection) == {"POLUSDT": owner}
    assert query(connection, ACTIONS)[0][6:] == ("POL", on_day(4))


def test_a_rename_to_come_waits_for_its_day(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    assert apply(connection, rename(), observed_at=AT - timedelta(seconds=1)) == 0
    assert set(ids(connection)) == {"MATICUSDT"}
    assert apply(connection, rename(), observed_at=AT) == 1


def test_a_rename_of_what_nobody_knows_waits(connection: Connection) -> None:
    assert apply(connection, rename()) == 0
    sync(connection, instrument("BTCUSDT"))
    assert apply(connection, rename()) == 0
    assert query(connection, ACTIONS) == []


def test_what_is_followed_under_its_new_name_only_is_given_the_old_one(
    connection: Connection,
) -> None:
    sync(connection, instrument("POLUSDT", listed_at=on_day(2.5)))
    owner = ids(connection)["POLUSDT"]
    assert apply(connection, rename()) == 1
    assert query(connection, ALIASES) == [
        ("MATICUSDT", owner, None, AT),
        ("POLUSDT", owner, AT, None),
    ]
    assert query(connection, ACTIONS)[0][6:] == ("POL", on_day(2.5))
    # The listing known was that of the later name, and later syncs do not bring it back.
    sync(connection, instrument("POLUSDT", listed_at=on_day(2.5), status="BREAK"), at=OBSERVED)
    assert query(connection, "SELECT listed_at, status FROM market.instrument") == [(None, "BREAK")]
    # History of the old name is loaded into the one series.
    load_frame(connection, candles([0, 1]), minutes(0, 2), symbol="MATICUSDT")
    assert [row[0] for row in adjusted(connection, owner)] == [owner, owner]


def test_a_former_name_does_not_reach_beyond_the_rename(connection: Connection) -> None:
    sync(connection, instrument("POLUSDT"))
    apply(connection, rename())
    day = 1440
    receipt = load_frame(
        connection, candles([2 * day - 1, 2 * day]), minutes(0, 3 * day), symbol="MATICUSDT"
    )
    assert (receipt.inserted, receipt.quarantined) == (1, 1)
    receipt = load_frame(
        connection,
        candles([2 * day - 1, 2 * day]),
        minutes(0, 3 * day),
        symbol="POLUSDT",
        path="file:///landing/b.parquet",
    )
    assert (receipt.inserted, receipt.quarantined) == (1, 1)


def test_two_that_are_both_followed_stay_two_and_are_read_as_one(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"), instrument("POLUSDT", listed_at=AT))
    known = ids(connection)
    old, new = known["MATICUSDT"], known["POLUSDT"]
    assert apply(connection, rename()) == 1
    assert ids(connection) == {"POLUSDT": new}
    assert query(connection, ACTIONS)[0][:2] == (old, new)
    assert query(
        connection,
        "SELECT status, delisted_at, upper(valid_during) FROM market.instrument "
        "WHERE instrument_id = %s",
        old,
    ) == [("DELISTED", AT, AT)]
    day = 1440
    load_frame(connection, candles([2 * day - 1], price=1.0), minutes(0, 2 * day),
               symbol="MATICUSDT")  # fmt: skip
    load_frame(
        connection,
        candles([2 * day], price=2.0),
        minutes(2 * day, 3 * day),
        symbol="POLUSDT",
        path="file:///landing/b.parquet",
    )
    assert [row[:3] for row in adjusted(connection, new)] == [
        (old, moment(2 * day - 1), 1.0),
        (new, moment(2 * day), 2.0),
    ]
    # The one that ended is read alone.
    assert [row[0] for row in adjusted(connection, old)] == [old]


def test_a_name_used_again_later_is_not_what_was_renamed(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    owner = ids(connection)["MATICUSDT"]
    sync(connection, instrument("MATICUSDT", base_asset="MEMECOIN"), at=on_day(4))
    other = ids(connection)["MATICUSDT"]
    assert other != owner
    apply(connection, rename())
    assert query(connection, ALIASES) == [
        ("MATICUSDT", owner, None, AT),
        ("POLUSDT", owner, AT, None),
        ("MATICUSDT", other, on_day(4), None),
    ]


def test_a_name_that_was_free_again_may_be_taken(connection: Connection) -> None:
    matic, pol = instrument("MATICUSDT"), instrument("POLUSDT", base_asset="POLKA")
    sync(connection, matic, pol, instrument("BTCUSDT"))
    known = ids(connection)
    listed = [matic, instrument("BTCUSDT")]
    sync_instruments(connection, VENUE, listed, observed_at=on_day(1), complete=True)
    assert apply(connection, rename()) == 1
    found = [row for row in query(connection, ALIASES) if row[0] == "POLUSDT"]
    assert found == [
        ("POLUSDT", known["POLUSDT"], None, on_day(1)),
        ("POLUSDT", known["MATICUSDT"], AT, None),
    ]


def test_a_new_name_that_was_listed_before_the_rename_tells_of_no_pause(
    connection: Connection,
) -> None:
    sync(connection, instrument("MATICUSDT"))
    apply(connection, rename())
    sync(connection, instrument("POLUSDT", listed_at=on_day(1)), at=OBSERVED)
    assert query(connection, ACTIONS)[0][6:] == ("POL", None)


def test_a_chain_of_renames_may_be_declared_in_any_order(connection: Connection) -> None:
    sync(connection, instrument("AUSDT"))
    owner = ids(connection)["AUSDT"]
    second = Rename("BUSDT", "CUSDT", on_day(3))
    assert apply(connection, second, Rename("AUSDT", "BUSDT", on_day(2))) == 2
    assert query(connection, ALIASES) == [
        ("AUSDT", owner, None, on_day(2)),
        ("BUSDT", owner, on_day(2), on_day(3)),
        ("CUSDT", owner, on_day(3), None),
    ]


def test_an_earlier_rename_may_be_declared_after_a_later_one(connection: Connection) -> None:
    sync(connection, instrument("CUSDT"))
    owner = ids(connection)["CUSDT"]
    later, earlier = Rename("BUSDT", "CUSDT", on_day(3)), Rename("AUSDT", "BUSDT", on_day(2))
    assert apply(connection, later) == 1
    assert apply(connection, later, earlier) == 1
    assert query(connection, ALIASES) == [
        ("AUSDT", owner, None, on_day(2)),
        ("BUSDT", owner, on_day(2), on_day(3)),
        ("CUSDT", owner, on_day(3), None),
    ]
    assert query(connection, "SELECT symbol FROM market.instrument") == [("CUSDT",)]


def test_another_instant_for_a_recorded_rename_is_refused(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    apply(connection, rename())
    with pytest.raises(InvalidInputError, match="is recorded at 2024-01-03 00:00 UTC"):
        apply(connection, rename(at=on_day(1)))
    connection.rollback()
    assert len(query(connection, ACTIONS)) == 1


def test_another_factor_for_a_recorded_rename_replaces_it(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    apply(connection, rename())
    assert apply(connection, rename(factor=Decimal("0.001"))) == 0
    assert query(connection, ACTIONS)[0][5] == Decimal("0.001")


def test_a_rename_done_by_hand_is_the_declared_one(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    rename_instrument(connection, VENUE.name, old="MATICUSDT", new="POLUSDT", renamed_at=AT)
    connection.commit()
    assert apply(connection, rename()) == 0
    sync(connection, instrument("POLUSDT"), at=OBSERVED)
    assert len(ids(connection)) == len(query(connection, ACTIONS)) == 1


def test_a_factor_that_is_no_number_is_refused_by_the_database(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    for factor in ("NaN", "0", "-1", "1e13"):
        with pytest.raises(ContractError, match="action_factor"):
            apply(connection, rename(factor=Decimal(factor)))
        connection.rollback()


def test_a_change_of_unit_adjusts_what_lies_before_it(connection: Connection) -> None:
    sync(connection, instrument("COCOSUSDT"))
    owner = ids(connection)["COCOSUSDT"]
    load_frame(connection, candles([0, 1, 2], price=[2.0, 4.0, 4000.0]), minutes(0, 3),
               symbol="COCOSUSDT")  # fmt: skip
    change = Rename("COCOSUSDT", "COCOSUSDT", moment(2), Decimal(1000))
    assert apply(connection, change) == 1
    assert apply(connection, change) == 0
    assert len(query(connection, ALIASES)) == 1
    first, second, third = adjusted(connection, owner)
    # Prices in new units, quantities too; what was paid stays what was paid.
    assert first[2:] == (2000.0,) * 4 + (0.002, 2.0, 0.002, 2.0, 7, 1000.0)
    assert second[2] == third[2] == 4000.0
    assert third[6:] == (4000.0, 4000.0, 4000.0, 4000.0, 7, 1.0)
    assert [row[1] for row in adjusted(connection, owner, minutes(1, 2))] == [moment(1)]


def test_factors_of_a_chain_multiply(connection: Connection) -> None:
    sync(connection, instrument("AUSDT"))
    owner = ids(connection)["AUSDT"]
    load_frame(connection, candles([0, 1, 2], price=1.0), minutes(0, 3), symbol="AUSDT")
    apply(
        connection,
        Rename("AUSDT", "BUSDT", moment(1), Decimal(10)),
        Rename("BUSDT", "BUSDT", moment(2), Decimal("0.5")),
    )
    assert [row[5] for row in adjusted(connection, owner)] == [5.0, 0.5, 1.0]


@pytest.mark.parametrize(("factor", "kept"), [("1", [0, 1, 2]), ("1000", [0, 2])])
def test_a_coarse_candle_that_mixes_two_units_is_left_out(
    connection: Connection, factor: str, kept: Sequence[int]
) -> None:
    sync(connection, instrument("AUSDT"))
    owner = ids(connection)["AUSDT"]
    frame = candles([0, 1, 2], timeframe=M5).assign(
        instrument_id=owner, children_present=5, children_expected=5
    )
    merge_coarse(connection, M5, frame, run_id="r")
    connection.commit()
    apply(connection, Rename("AUSDT", "BUSDT", moment(7), Decimal(factor)))
    found = [row[1] for row in adjusted(connection, owner, timeframe="5m")]
    assert found == [moment(5 * place) for place in kept]
