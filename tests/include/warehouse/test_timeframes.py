"""Tables of any chain are made by the owner; the same reads serve them all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from psycopg import errors

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.market.timeframe import (
    CHAIN,
    D1,
    MO1,
    MOST_CHILDREN,
    W1,
    Timeframe,
    parse_chain,
    parse_timeframe,
)
from include.warehouse.dictionary import list_undocumented
from include.warehouse.engine import Connection, connect
from include.warehouse.landing import register_landing
from include.warehouse.migrate import current_revision, downgrade, upgrade
from include.warehouse.partitions import ensure_partitions
from include.warehouse.staging import bucket_spans
from include.warehouse.timeframes import ensure_timeframes
from tests.support.warehouse import candles, load_frame, minutes, query, seed_reference, walk

WIDE = parse_chain("1m 5m 15m 1h 4h 1d 1w 1M")
ADDED = ("candle_15m", "candle_1d", "candle_1h", "candle_1mo", "candle_1w")
KNOWN = "SELECT label, dataset, source FROM market.timeframe WHERE is_configured ORDER BY length"
PUT = (
    "INSERT INTO market.{} (instrument_id, open_time, open, high, low, close, volume, "
    "children_present, children_expected, source, load_id, recorded_at) "
    "SELECT %s, %s, 2, 3, 1, 2, 5, 1, 31, 'cascade', min(load_id), now() FROM ledger.load"
)


def widen(connection: Connection, chain: Sequence[Timeframe] = WIDE) -> list[str]:
    changed = ensure_timeframes(connection, chain)
    connection.commit()
    return changed


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def span(first: datetime, last: datetime) -> Span:
    return Span(to_ms(first), to_ms(last))


@pytest.fixture
def wide(connection: Connection) -> Connection:
    """Return a connection to a warehouse of the wide chain with three stored hours."""
    seed_reference(connection)
    load_frame(connection, walk(180), minutes(0, 180))
    widen(connection)
    return connection


def put(connection: Connection, timeframe: Timeframe, opens: datetime, instrument: int = 1) -> None:
    ensure_partitions(connection, [timeframe], Span(to_ms(opens), to_ms(opens) + 1))
    connection.execute(PUT.format(timeframe.dataset), (instrument, opens))


def test_migrating_knows_the_configured_chain(connection: Connection) -> None:
    assert query(connection, KNOWN) == [
        ("1m", "candle_1m", None),
        ("5m", "candle_5m", "1m"),
        ("30m", "candle_30m", "5m"),
        ("4h", "candle_4h", "30m"),
    ]
    assert widen(connection, CHAIN) == []


def test_a_wider_chain_gets_its_tables_and_keeps_those_it_leaves(connection: Connection) -> None:
    assert widen(connection) == ["30m", "15m", "1h", "4h", "1d", "1w", "1M"]
    assert query(connection, KNOWN) == [
        ("1m", "candle_1m", None),
        ("5m", "candle_5m", "1m"),
        ("15m", "candle_15m", "5m"),
        ("1h", "candle_1h", "15m"),
        ("4h", "candle_4h", "1h"),
        ("1d", "candle_1d", "4h"),
        ("1w", "candle_1w", "1d"),
        ("1M", "candle_1mo", "1d"),
    ]
    assert query(connection, "SELECT to_regclass('market.candle_30m') IS NOT NULL") == [(True,)]
    assert widen(connection) == []
    assert widen(connection, CHAIN) == ["15m", "1h", "1d", "1w", "1M", "30m", "4h"]
    assert len(query(connection, "SELECT label FROM market.timeframe")) == 9


SHAPE = (
    "SELECT attname, attnum, format_type(atttypid, atttypmod), attnotnull, "
    "pg_get_expr(adbin, adrelid), col_description(attrelid, attnum) FROM pg_attribute "
    "LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
    "WHERE attrelid = %s::text::regclass AND attnum > 0 ORDER BY attnum"
)
RULES = (
    "SELECT replace(conname, %s, 'candle'), contype::text, "
    "CASE WHEN conname IN ('candle_on_grid', 'candle_in_our_time') THEN '' "
    "ELSE pg_get_constraintdef(oid) END "
    "FROM pg_constraint WHERE conrelid = %s::text::regclass AND contype <> 'n' ORDER BY 1"
)


def test_a_table_made_later_is_like_one_that_was_always_there(wide: Connection) -> None:
    model = "market.candle_5m"
    for table in ADDED:
        made = f"market.{table}"
        assert query(wide, SHAPE, made) == query(wide, SHAPE, model)
        rules = query(wide, RULES, table, made)
        assert rules == query(wide, RULES, "candle_5m", model)
        assert {kind for _, kind, _ in rules} == {"c", "f", "p"}
    assert list_undocumented(wide) == []


def test_no_table_holds_more_children_than_a_chain_may_ask_for(wide: Connection) -> None:
    limits = (
        "SELECT DISTINCT substring(pg_get_constraintdef(oid) FROM 'children_expected <= ([0-9]+)') "
        "FROM pg_constraint WHERE conname = 'candle_children' AND conrelid::regclass::text = "
        "ANY(SELECT 'market.' || dataset FROM market.timeframe)"
    )
    assert query(wide, limits) == [(str(MOST_CHILDREN),)]


ON_AND_OFF_THE_GRID = [
    ("15m", utc(2024, 1, 1, 0, 15), utc(2024, 1, 1, 0, 5)),
    ("1h", utc(2024, 1, 1, 7), utc(2024, 1, 1, 7, 30)),
    ("1d", utc(2024, 2, 29), utc(2024, 2, 29, 12)),
    ("1w", utc(2024, 1, 1), utc(2024, 1, 4)),
    ("1w", utc(2000, 1, 3), utc(2000, 1, 1)),
    # The week in which our time begins.
    ("1w", utc(1999, 12, 27), utc(1999, 12, 20)),
    ("1M", utc(2024, 2, 1), utc(2024, 2, 29)),
    ("1M", utc(2000, 1, 1), utc(1999, 12, 1)),
]


def test_a_candle_stands_on_the_grid_of_its_timeframe(wide: Connection) -> None:
    for label, on, off in ON_AND_OFF_THE_GRID:
        timeframe = parse_timeframe(label)
        put(wide, timeframe, on)
        with (
            pytest.raises(errors.CheckViolation, match=r"candle_on_grid|candle_in_our_time"),
            wide.transaction(),
        ):
            put(wide, timeframe, off)


def test_other_rules_hold_for_tables_made_later(wide: Connection) -> None:
    put(wide, D1, utc(2024, 1, 1))
    for column, value in (("high", "1"), ("close", "'NaN'"), ("children_present", "0")):
        with pytest.raises(errors.CheckViolation), wide.transaction():
            wide.execute(f"UPDATE market.candle_1d SET {column} = {value}")
    with pytest.raises(errors.ForeignKeyViolation), wide.transaction():
        put(wide, D1, utc(2024, 1, 1), instrument=99)


def test_the_loader_fills_them_the_reader_reads_them_and_neither_makes_them(
    wide: Connection, loader_dsn: str, reader_dsn: str
) -> None:
    with connect(loader_dsn, application="test") as loader:
        put(loader, MO1, utc(2024, 1, 1))
    with connect(reader_dsn, application="test") as reader:
        assert query(reader, "SELECT count(*) FROM market.candle_1mo") == [(1,)]
        assert query(reader, "SELECT count(*) FROM market.candle WHERE timeframe = '1M'") == [(1,)]
        assert query(reader, "SELECT count(*) FROM market.timeframe") == [(9,)]
    for statement in (
        "SELECT market.ensure_timeframe('2h', '2 hours', '1h')",
        "SELECT market.list_stored_candles()",
        "INSERT INTO market.timeframe (label, dataset, length) VALUES ('2h', 'candle_2h', '2h')",
        "UPDATE market.timeframe SET is_configured = false, source = NULL",
        "DELETE FROM market.timeframe",
    ):
        for dsn in (loader_dsn, reader_dsn):
            with (
                connect(dsn, application="test") as other,
                pytest.raises((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)),
            ):
                other.execute(statement)


def test_a_job_of_a_chain_that_was_never_migrated_says_what_to_do(connection: Connection) -> None:
    with pytest.raises(InvalidInputError, match=r"market.candle_1d.*include.warehouse.migrate.*1d"):
        ensure_partitions(connection, [D1], minutes(0, 1))


def test_a_week_that_began_in_the_month_before_finds_its_partition(wide: Connection) -> None:
    ensure_partitions(wide, [W1, MO1], span(utc(2024, 3, 1), utc(2024, 3, 2)))
    made = (
        "SELECT to_regclass('market.candle_1w_2024_02') IS NOT NULL, "
        "to_regclass('market.candle_1mo_2024_02') IS NULL"
    )
    assert query(wide, made) == [(True, True)]


def test_spans_of_candles_end_where_their_months_and_weeks_do() -> None:
    months = candles([0, 31, 60, 121], timeframe=D1).assign(instrument_id=1)
    weeks = candles([0, 7, 28], timeframe=D1).assign(instrument_id=[1, 1, 2])

    assert bucket_spans(months, MO1) == {
        1: [span(utc(2024, 1, 1), utc(2024, 4, 1)), span(utc(2024, 5, 1), utc(2024, 6, 1))]
    }
    assert bucket_spans(weeks, W1) == {
        1: [span(utc(2024, 1, 1), utc(2024, 1, 15))],
        2: [span(utc(2024, 1, 29), utc(2024, 2, 5))],
    }


def test_what_lands_of_a_month_is_told_from_what_lands_of_a_minute(connection: Connection) -> None:
    landing = register_landing(
        connection,
        venue="binance_spot",
        symbol="BTCUSDT",
        timeframe="1M",
        span=minutes(0, 1),
        path="file:///a.parquet",
        rows=1,
        payload_sha256="0" * 64,
        source="rest",
        run_id="test",
    )
    assert landing.timeframe == "1M"
    assert query(connection, "SELECT dataset FROM ledger.landing") == [("candle_1mo",)]


CURSORS = "SELECT stage FROM ledger.cursor ORDER BY 1"


def test_what_is_built_from_another_source_than_before_is_built_anew(
    connection: Connection,
) -> None:
    for stage in ("cascade_5m", "cascade_30m", "cascade_4h", "fit_channels_4h"):
        connection.execute("INSERT INTO ledger.cursor (stage, xid) VALUES (%s, '7')", (stage,))
    assert widen(connection, CHAIN) == []
    assert len(query(connection, CURSORS)) == 4
    # 4h comes from 1h now, 5m and 30m from what they came from.
    assert widen(connection, parse_chain("1m 5m 30m 1h 4h")) == ["1h", "4h"]
    assert query(connection, CURSORS) == [("cascade_30m",), ("cascade_5m",), ("fit_channels_4h",)]
    # A timeframe that comes back has missed what changed meanwhile.
    assert widen(connection, parse_chain("1m 5m 1h 4h")) == ["30m", "1h"]
    assert widen(connection, parse_chain("1m 5m 30m 1h 4h")) == ["30m", "1h"]
    assert query(connection, CURSORS) == [("cascade_5m",), ("fit_channels_4h",)]


def test_every_read_knows_a_timeframe_made_later(wide: Connection) -> None:
    for timeframe, opens in ((W1, utc(2024, 1, 1)), (MO1, utc(2024, 2, 1)), (MO1, utc(2024, 3, 1))):
        put(wide, timeframe, opens)
    read = "SELECT timeframe, open_time, high, children_expected, flags FROM market.candle "
    assert query(wide, read + "WHERE timeframe = '1w'") == [("1w", utc(2024, 1, 1), 3, 31, 0)]
    assert query(wide, "SELECT count(*) FROM market.candle WHERE timeframe = '1m'") == [(180,)]
    as_of = "SELECT candle_timeframe, open_time FROM market.candle_as_of('1M', now()) ORDER BY 2"
    assert query(wide, as_of) == [("1M", utc(2024, 2, 1)), ("1M", utc(2024, 3, 1))]
    lineage = "SELECT count(*) FROM market.candle_lineage('1w', 1, '2024-01-01Z')"
    assert query(wide, lineage) == [(181,)]
    incomplete = "SELECT timeframe, open_time, proven FROM market.incomplete_candle ORDER BY 2"
    assert query(wide, incomplete) == [
        ("1w", utc(2024, 1, 1), False),
        ("1M", utc(2024, 2, 1), False),
        ("1M", utc(2024, 3, 1), False),
    ]


def test_a_month_that_lacks_a_day_for_a_known_reason_is_complete(wide: Connection) -> None:
    wide.execute("DELETE FROM ledger.coverage")
    wide.execute("DELETE FROM ledger.gap")
    wide.execute(
        "INSERT INTO ledger.coverage (dataset, instrument_id, covered) "
        "VALUES ('candle_1m', 1, '{[2024-02-01Z, 2024-05-01Z)}')"
    )
    for month, lacking, explained in ((2, 1, 1), (3, 2, 1), (4, 0, 0)):
        opens = utc(2024, month, 1)
        put(wide, MO1, opens)
        wide.execute(
            "UPDATE market.candle_1mo SET children_present = children_expected - %s "
            "WHERE open_time = %s",
            (lacking, opens),
        )
        wide.execute(
            "INSERT INTO ledger.gap (dataset, instrument_id, span_start, span_end, reason) "
            "SELECT 'candle_1m', 1, %(opens)s, %(opens)s + make_interval(days => %(days)s), "
            "'halted' WHERE %(days)s > 0",
            {"opens": opens, "days": explained},
        )
    incomplete = "SELECT open_time, children_explained, proven FROM market.incomplete_candle"
    assert query(wide, incomplete) == [(utc(2024, 3, 1), 1, True)]


def test_a_month_in_which_the_unit_changes_is_left_out_and_the_one_before_is_not(
    wide: Connection,
) -> None:
    for month in (2, 3, 4):
        put(wide, MO1, utc(2024, month, 1))
    # In New York a month after the first of March, 19:00 the day before, is over by then.
    wide.execute(
        "INSERT INTO market.corporate_action (venue_id, instrument_id, successor_id, old_symbol, "
        "new_symbol, effective_at, factor) VALUES (1, 1, 1, 'BTCUSDT', 'BTCUSDT', %s, 10)",
        (utc(2024, 3, 30),),
    )
    read = "SELECT open_time, high FROM market.adjusted_candle('1M', 1, NULL) ORDER BY 1"
    wide.execute("SET timezone = 'America/New_York'")
    assert query(wide, read) == [(utc(2024, 2, 1), 30), (utc(2024, 4, 1), 3)]


LISTING = """
    SELECT name, text FROM (
        SELECT c.oid::regclass::text, pg_get_viewdef(c.oid) FROM pg_class AS c
        WHERE relkind IN ('v', 'm')
        UNION ALL
        SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid) FROM pg_proc AS p
        WHERE prokind = 'f'
        UNION ALL
        SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(c.oid)
        FROM pg_constraint AS c WHERE contype = 'c'
    ) AS thing (name, text)
    WHERE name ~ '^(market|ledger|model|report|nursery|retired)[.]'
        AND text ~ '(candle_|'')30m'
"""


def test_only_one_view_lists_the_tables(connection: Connection) -> None:
    assert [name for name, _ in query(connection, LISTING)] == ["market.stored_candle"]


def test_of_other_timeframes_no_table_is_touched(wide: Connection) -> None:
    for timeframe in WIDE:
        ensure_partitions(wide, [timeframe], span(utc(2024, 1, 1), utc(2024, 4, 1)))
    wide.commit()
    one = "instrument_id = 1 AND open_time = %s"
    reads = (
        f"SELECT * FROM market.candle WHERE timeframe = '1h' AND {one}",
        f"SELECT * FROM market.candle_as_of('1h', now()) WHERE {one}",
    )
    for read in reads:
        plan = "\n".join(row[0] for row in query(wide, f"EXPLAIN {read}", utc(2024, 2, 5)))
        assert "candle_1h_2024_02_pkey" in plan
        assert "Seq Scan on candle" not in plan
        for other in ("candle_1m", "candle_5m", "candle_4h", "candle_1h_2024_01"):
            assert other not in plan


def test_it_can_be_undone_while_the_tables_made_later_are_empty(
    wide: Connection, warehouse_dsn: str
) -> None:
    put(wide, D1, utc(2024, 1, 1))
    wide.commit()
    with pytest.raises(InvalidInputError, match=r"market.candle_1d holds candles: delete them"):
        downgrade(warehouse_dsn, "0020")
    assert current_revision(warehouse_dsn) is not None
    wide.execute("DELETE FROM market.candle_1d")
    wide.commit()
    downgrade(warehouse_dsn, "0020")
    assert query(
        wide, "SELECT to_regclass('market.candle_1d'), to_regclass('market.timeframe')"
    ) == [(None, None)]
    assert query(wide, "SELECT count(*) FROM market.candle WHERE timeframe = '1m'") == [(180,)]
    lineage = "SELECT count(*) FROM market.candle_lineage('4h', 1, '2024-01-01Z')"
    assert query(wide, lineage) == [(180,)]
    assert query(wide, "SELECT count(*) FROM market.incomplete_candle") == [(0,)]
    wide.commit()
    upgrade(warehouse_dsn)
    assert len(query(wide, KNOWN)) == 4
