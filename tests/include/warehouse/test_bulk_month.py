"""A month loaded as a whole is what its landings loaded one by one would have been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import psycopg
import pytest

from include.market.candle import OPTIONAL_COLUMNS
from include.market.errors import InvalidInputError
from include.market.timeframe import M1
from include.warehouse.bulk_rows import Member
from include.warehouse.candles import read_candles
from include.warehouse.columns import CandleColumns
from include.warehouse.engine import Connection, connect
from include.warehouse.gaps import Gap
from include.warehouse.landing import Landing, get_landing
from include.warehouse.loader import load_candles
from include.warehouse.reference import rename_instrument
from tests.support.bulk import WEEK, land, load_together, member, week_member
from tests.support.postgres import EmbeddedPostgres, create_database, drop_database
from tests.support.warehouse import (
    candles,
    load_frame,
    load_landing,
    minutes,
    moment,
    query,
    seed_reference,
    walk,
    without,
)

Dial = Callable[[], Connection]
JANUARY = "market.candle_1m_2024_01"
STORED = (
    "SELECT instrument_id, open_time, open, high, low, close, volume, quote_volume, "
    "taker_buy_volume, taker_buy_quote_volume, trade_count, source, revision "
    "FROM market.candle_1m ORDER BY 1, 2",
    "SELECT dataset, venue, symbol, source, run_id, span_start, span_end, rows_in, rows_inserted, "
    "rows_updated, rows_unchanged, rows_quarantined, payload_sha256, fencing_token "
    "FROM ledger.load ORDER BY symbol, span_start",
    "SELECT c.dataset, c.instrument_id, c.span_start, c.span_end, c.reason, l.payload_sha256 "
    "FROM ledger.change AS c JOIN ledger.load AS l USING (load_id) ORDER BY 2, 3",
    "SELECT dataset, instrument_id, covered FROM ledger.coverage ORDER BY 2",
    "SELECT dataset, instrument_id, span_start, span_end, reason, attempts, proof, "
    "closed_at IS NULL FROM ledger.gap ORDER BY 2, 3, 8",
    "SELECT landing_id, state, l.symbol, l.span_start FROM ledger.landing AS a "
    "JOIN ledger.load AS l USING (load_id) ORDER BY 1",
    "SELECT c.instrument_id, c.open_time FROM market.candle_1m AS c "
    "LEFT JOIN ledger.load AS l ON c.load_id = l.load_id AND c.source = l.source "
    "AND c.recorded_at = l.recorded_at WHERE l.load_id IS NULL",
)


def nests(connection: Connection) -> list[tuple[Any, ...]]:
    return query(
        connection,
        "SELECT relname FROM pg_class WHERE relnamespace = 'nursery'::regnamespace "
        "AND relkind = 'r'",
    )


def everything(connection: Connection) -> list[list[tuple[Any, ...]]]:
    return [query(connection, text) for text in STORED]


def story(connection: Connection) -> list[Member]:
    """Three landings with holes, one of them explained, over gaps that were known before."""
    seed_reference(connection)
    load_frame(connection, candles([]), minutes(-1440, 100), path="empty")
    holed = walk(WEEK).drop(index=range(200, 260)).drop(index=range(500, 501))
    explained = [Gap(minutes(200, 260), "outage", {"told": "by the venue"})]
    poor = without(walk(WEEK, seed=3, start=moment(0)), *OPTIONAL_COLUMNS)
    return [
        member(connection, land(connection, minutes(0, WEEK)), holed, gaps=explained),
        week_member(connection, week=1, seed=2),
        member(connection, land(connection, minutes(0, WEEK), symbol="ETHUSDT"), poor),
    ]


def test_a_month_loaded_together_is_what_its_landings_one_by_one_would_be(
    connection: Connection, postgres_server: EmbeddedPostgres, migrated_template: str
) -> None:
    together = story(connection)
    receipts = load_together(connection, *together)
    assert [receipt.inserted for receipt in receipts.values()] == [WEEK - 61, WEEK, WEEK]
    dsn = create_database(postgres_server, "one_by_one", migrated_template)
    with connect(dsn, application="test") as other:
        for one in story(other):
            frame, gaps = one.read()
            token, landing = one.fencing_token, one.landing
            load_candles(
                other, landing, frame, source="rest", run_id="load", fencing_token=token, gaps=gaps
            )
        assert everything(connection) == everything(other)
    drop_database(postgres_server, "one_by_one")
    assert query(connection, STORED[-1]) == []
    assert nests(connection) == []


def test_its_partition_is_like_any_other(connection: Connection) -> None:
    seed_reference(connection)
    load_together(connection, week_member(connection))
    load_frame(connection, candles([31 * 1440]), minutes(31 * 1440, 31 * 1440 + 1), path="feb")
    shape = (
        "SELECT attnum, attname, atttypid, attnotnull, col_description(attrelid, attnum), "
        "(SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid "
        "AND adnum = attnum) FROM pg_attribute WHERE attrelid = %s::text::regclass "
        "AND attnum > 0 ORDER BY 1",
        "SELECT contype, CASE contype WHEN 'n' THEN '' ELSE conname END, "
        "pg_get_constraintdef(oid), convalidated, conislocal "
        "FROM pg_constraint WHERE conrelid = %s::text::regclass AND contype <> 'n' "
        "ORDER BY 1, 3",
        "SELECT relowner, relkind, relispartition, array(SELECT a::text FROM unnest(relacl) AS a "
        "ORDER BY 1) FROM pg_class WHERE oid = %s::text::regclass",
    )
    february = "market.candle_1m_2024_02"
    for text in shape:
        ours = query(connection, text, JANUARY)
        theirs = query(connection, text, february)
        assert [tuple(str(cell).replace("2024_01", "2024_02") for cell in row) for row in ours] == [
            tuple(str(cell) for cell in row) for row in theirs
        ]
    bounds = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = %s::text::regclass"
    assert query(connection, bounds, JANUARY) == [
        ("FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')",)
    ]


def test_its_rows_can_be_revised_like_any_other(connection: Connection) -> None:
    seed_reference(connection)
    load_together(connection, week_member(connection))
    frame = walk(WEEK)
    frame.loc[5, "volume"] += 1
    receipt = load_landing(connection, land(connection, minutes(0, WEEK), path="again"), frame)
    assert (receipt.updated, receipt.unchanged) == (1, WEEK - 1)
    pd.testing.assert_frame_equal(read_candles(connection, M1, 1, minutes(0, WEEK)), frame)
    connection.commit()
    kept = "SELECT upper(recorded_during) > lower(recorded_during) FROM market.candle_revision"
    assert query(connection, kept) == [(True,)]


def test_no_row_claims_to_have_been_known_before_it_could_be_read(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    watcher, seen = dial(), []

    def look() -> None:
        seen.append(query(watcher, "SELECT clock_timestamp(), count(*) FROM market.candle_1m"))

    load_together(
        connection,
        week_member(connection, before=look),
        week_member(connection, week=1, before=look),
    )
    [(during, rows)] = seen[-1]
    assert rows == 0
    as_of = "SELECT count(*) FROM market.candle_as_of('1m', %s)"
    assert query(connection, as_of, during) == [(0,)]
    assert query(connection, "SELECT min(recorded_at) > %s FROM market.candle_1m", during) == [
        (True,)
    ]


DOUBTFUL = {
    "a key twice": lambda: pd.concat([walk(WEEK - 1), walk(1)], ignore_index=True),
    "not sorted": lambda: walk(WEEK)[::-1],
    "beyond the span": lambda: walk(WEEK + 1),
    "a price that is none": lambda: walk(WEEK).assign(
        open=float("nan"), high=float("nan"), low=float("nan"), close=float("nan")
    ),
    "low above high": lambda: walk(WEEK).assign(low=1e6),
    "beyond the range": lambda: walk(WEEK).assign(volume=1e19),
    "off the grid": lambda: walk(WEEK - 1).assign(
        open_time=lambda frame: frame["open_time"] + pd.Timedelta(seconds=1)
    ),
    "of another shape": lambda: walk(WEEK).drop(columns="close"),
    "nothing at all": lambda: candles([]),
}


@pytest.mark.parametrize("doubtful", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_rows_that_need_judging_are_left_to_the_careful_way_and_the_others_load(
    connection: Connection, doubtful: Callable[[], pd.DataFrame]
) -> None:
    seed_reference(connection)
    landing = land(connection, minutes(0, WEEK))
    good = week_member(connection, symbol="ETHUSDT")
    receipts = load_together(connection, member(connection, landing, doubtful()), good)
    assert list(receipts) == [good.landing.landing_id]
    assert get_landing(connection, landing.landing_id).state == "checked"
    connection.commit()
    assert query(connection, "SELECT count(*) FROM market.candle_1m") == [(WEEK,)]
    assert query(connection, "SELECT count(*) FROM ledger.load") == [(1,)]


def test_a_row_only_the_database_finds_wrong_sends_all_to_the_careful_way(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_reference(connection)
    monkeypatch.setattr(CandleColumns, "obey_rules", lambda columns: True)
    bad = member(connection, land(connection, minutes(0, WEEK)), walk(WEEK).assign(volume=-1.0))
    assert load_together(connection, bad, week_member(connection, symbol="ETHUSDT")) == {}
    assert nests(connection) == []
    assert query(connection, "SELECT count(*) FROM market.candle_1m") == [(0,)]


def test_symbols_that_are_unknown_renamed_or_given_twice_are_left_to_the_careful_way(
    connection: Connection,
) -> None:
    seed_reference(connection, ["BTCUSDT", "ETHUSDT", "OLDUSDT"])
    rename_instrument(
        connection, "binance_spot", old="OLDUSDT", new="NEWUSDT", renamed_at=moment(100)
    )
    connection.commit()
    good = week_member(connection)
    receipts = load_together(
        connection,
        good,
        week_member(connection, symbol="NOBODYUSDT"),
        member(connection, land(connection, minutes(0, WEEK), symbol="OLDUSDT"), walk(WEEK)),
        member(connection, land(connection, minutes(9, 99), path="twice"), candles([9])),
    )
    assert list(receipts) == [good.landing.landing_id]


def test_landings_of_several_months_are_refused(connection: Connection) -> None:
    seed_reference(connection)
    february = land(connection, minutes(32 * 1440, 33 * 1440), path="february")
    across = land(connection, minutes(30 * 1440, 33 * 1440), path="across")
    for other in (february, across):
        with pytest.raises(InvalidInputError, match="one month"):
            load_together(
                connection, week_member(connection), member(connection, other, candles([]))
            )


def name_source(connection: Connection, landing: Landing, source: str) -> Landing:
    connection.execute(
        "UPDATE ledger.landing SET source = %s WHERE landing_id = %s", (source, landing.landing_id)
    )
    landing = get_landing(connection, landing.landing_id)
    connection.commit()
    return landing


def test_a_month_takes_the_source_with_most_rows(connection: Connection) -> None:
    seed_reference(connection)
    few = land(connection, minutes(0, WEEK), rows=10)
    many = land(connection, minutes(WEEK, 2 * WEEK), rows=11)
    many = name_source(connection, many, "archive")
    receipts = load_together(
        connection,
        member(connection, few, walk(WEEK)),
        member(connection, many, walk(WEEK, start=moment(WEEK))),
    )
    assert list(receipts) == [many.landing_id]
    sources = "SELECT DISTINCT source FROM market.candle_1m"
    assert query(connection, sources) == [("archive",)]


def test_a_source_nobody_ranked_is_left_to_the_careful_way(connection: Connection) -> None:
    seed_reference(connection)
    landing = name_source(connection, land(connection, minutes(0, WEEK)), "hearsay")
    assert load_together(connection, member(connection, landing, walk(WEEK))) == {}


def test_the_login_of_the_jobs_owns_nothing_and_loads_months(
    connection: Connection, loader_dsn: str
) -> None:
    seed_reference(connection)
    with connect(loader_dsn, application="test") as loader:
        assert len(load_together(loader, week_member(loader))) == 1
        load_frame(loader, candles([WEEK]), minutes(WEEK, WEEK + 1), path="next")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            loader.execute(f"DROP TABLE {JANUARY}")
    assert query(connection, "SELECT count(*) FROM market.candle_1m") == [(WEEK + 1,)]


def test_the_functions_that_run_as_the_owner_take_only_what_is_theirs(
    connection: Connection, loader_dsn: str
) -> None:
    apart = "CREATE TABLE ledger.apart (open_time timestamptz) PARTITION BY RANGE (open_time)"
    connection.execute(apart)
    connection.commit()
    with connect(loader_dsn, application="test", autocommit=True) as loader:
        for call in (
            "SELECT nursery.begin_month('ledger.apart', '2024-01-01Z', 'rest')",
            "SELECT nursery.begin_month('ledger.load', '2024-01-01Z', 'rest')",
            "SELECT nursery.begin_month('market.venue', '2024-01-01Z', 'rest')",
            "SELECT nursery.claim_month('ledger.load', '2024-01-01Z')",
            "SELECT nursery.finish_month('market.candle_1m')",
            "SELECT nursery.attach_month('ledger.load', 'market.candle_1m', '2024-01-01Z', now())",
        ):
            with pytest.raises(psycopg.errors.WrongObjectType):
                loader.execute(call)
        for month in ("2024-01-02Z", "1999-01-01Z", None):
            with pytest.raises(psycopg.errors.InvalidParameterValue):
                loader.execute(
                    "SELECT nursery.begin_month('market.candle_1m', %s, 'rest')", (month,)
                )
        with pytest.raises(psycopg.errors.NoDataFound):
            loader.execute("SELECT market.ensure_partitions('ledger.apart', now(), now())")
