"""The reads of migration 0021. Never edited: a later migration replaces what it must.

Each is told where candles of all timeframes stand and which timeframes there are, so that undoing
the migration makes the same reads over a fixed list.
"""

from __future__ import annotations

from dataclasses import dataclass

from alembic import op

PRICES = ("open", "high", "low", "close")
VOLUMES = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
VALUES = (*PRICES, *VOLUMES, "trade_count")
CHILDREN = ("children_present", "children_expected")
CELLS = (*VALUES, *CHILDREN, "flags", "source", "revision", "load_id", "recorded_at")
NO_CHILDREN = tuple(f"NULL::smallint AS {name}" for name in CHILDREN)
TYPED = ", ".join(f"{name} double precision" for name in (*PRICES, *VOLUMES)) + (
    ", trade_count bigint"
)
# Label, length, and from which finer ones it is built: the chain of before.
FORMER = (
    ("1m", "00:01:00", None),
    ("5m", "00:05:00", "1m"),
    ("30m", "00:30:00", "5m"),
    ("4h", "04:00:00", "30m"),
)


@dataclass(frozen=True)
class Stock:
    """Where reads find candles and timeframes: two relations, and the end of a bucket in SQL."""

    candles: str
    timeframes: str
    end: str


REGISTERED = Stock(
    "market.stored_candle", "market.timeframe", "market.bucket_end({length}, {open_time})"
)


def quoted(label: str | None) -> str:
    """Return one of our own labels as SQL."""
    return "NULL" if label is None else f"'{label}'"


def fixed_stock(*, flagged: bool = True) -> Stock:
    """Return the chain of before, spelt out; without flags for reads that need none."""
    flags = "flags, " if flagged else ""
    candles = " UNION ALL ".join(
        f"""
            SELECT '{label}'::text AS timeframe, instrument_id, open_time, {", ".join(VALUES)},
                {", ".join(CHILDREN if source else NO_CHILDREN)},
                {flags} source, revision, load_id, recorded_at
            FROM market.candle_{label}
        """  # noqa: S608 - our own labels
        for label, _, source in FORMER
    )
    known = ", ".join(
        f"('{label}', interval '{length}', {quoted(source)})" for label, length, source in FORMER
    )
    return Stock(
        f"({candles})",
        f"(SELECT * FROM (VALUES {known}) AS fixed (label, length, source))",  # noqa: S608
        "{open_time} + {length}",
    )


def replace_reads(flagged: Stock, other: Stock) -> None:
    """Define every read of candles of all timeframes; those that show no flags over ``other``."""
    _replace_candle(flagged)
    _replace_candle_as_of(flagged)
    _replace_adjusted_candle(flagged)
    _replace_candle_lineage(other)
    _replace_incomplete_candle(other)


def _replace_candle(stock: Stock) -> None:
    op.execute(f"""
        CREATE OR REPLACE VIEW market.candle AS
        SELECT timeframe, instrument_id, open_time, {", ".join(CELLS)}
        FROM {stock.candles} AS stored
        WHERE source NOT IN (SELECT name FROM market.source WHERE is_synthetic)
    """)  # noqa: S608 - our own names


def _replace_candle_as_of(stock: Stock) -> None:
    # Kept free of SET and STRICT so that the planner folds it into the query around it and a
    # condition on instrument_id and open_time reaches the primary keys.
    kept = [f"r.{name}" for name in CELLS if name != "recorded_at"]
    op.execute(f"""
        CREATE OR REPLACE FUNCTION market.candle_as_of(timeframe text, at timestamptz)
        RETURNS TABLE (
            candle_timeframe text, instrument_id integer, open_time timestamptz, {TYPED},
            children_present smallint, children_expected smallint, flags smallint,
            source text, revision integer, load_id bigint, recorded_at timestamptz
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT c.timeframe, c.instrument_id, c.open_time, {_of("c", CELLS)}
            FROM {stock.candles} AS c
            WHERE c.timeframe = candle_as_of.timeframe AND c.recorded_at <= candle_as_of.at
            UNION ALL
            SELECT r.timeframe, r.instrument_id, r.open_time, {", ".join(kept)},
                lower(r.recorded_during)
            FROM market.candle_revision AS r
            WHERE r.timeframe = candle_as_of.timeframe AND r.recorded_during @> candle_as_of.at;
        END
    """)  # noqa: S608 - our own names


def _replace_candle_lineage(stock: Stock) -> None:
    end = stock.end.format(length="t.length", open_time="candle_lineage.open_time")
    op.execute(f"""
        CREATE OR REPLACE FUNCTION market.candle_lineage(
            timeframe text, instrument integer, open_time timestamptz
        )
        RETURNS TABLE (
            candle_timeframe text, candle_open_time timestamptz, revision integer,
            recorded_during tstzrange, source text, load_id bigint, run_id text,
            observed_at timestamptz, payload_sha256 text, landing_id bigint, path text
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT v.timeframe, v.open_time, v.revision, v.recorded_during, v.source, v.load_id,
                l.run_id, l.observed_at, l.payload_sha256, f.landing_id, f.path
            FROM (
                SELECT c.timeframe, c.instrument_id, c.open_time, c.revision,
                    tstzrange(c.recorded_at, NULL) AS recorded_during, c.source, c.load_id
                FROM {stock.candles} AS c
                UNION ALL
                SELECT r.timeframe, r.instrument_id, r.open_time, r.revision, r.recorded_during,
                    r.source, r.load_id
                FROM market.candle_revision AS r
            ) AS v
            INNER JOIN ledger.load AS l ON l.load_id = v.load_id
            LEFT JOIN ledger.landing AS f ON f.load_id = v.load_id
            WHERE v.instrument_id = candle_lineage.instrument
                AND v.timeframe IN ('1m', candle_lineage.timeframe)
                AND v.open_time >= candle_lineage.open_time
                AND v.open_time < CASE v.timeframe
                    WHEN candle_lineage.timeframe
                        THEN candle_lineage.open_time + interval '1 microsecond'
                    ELSE (
                        SELECT {end} FROM {stock.timeframes} AS t
                        WHERE t.label = candle_lineage.timeframe
                    )
                END;
        END
    """)  # noqa: S608 - our own names


def _replace_incomplete_candle(stock: Stock) -> None:
    end = stock.end.format(length="t.length", open_time="c.open_time")
    op.execute(f"""
        CREATE OR REPLACE VIEW market.incomplete_candle AS
        SELECT c.timeframe, c.instrument_id, c.open_time, c.children_present,
            c.children_expected, e.children_explained, p.proven
        FROM {stock.timeframes} AS t
        INNER JOIN {stock.timeframes} AS s ON s.label = t.source
        INNER JOIN {stock.candles} AS c ON c.timeframe = t.label
        CROSS JOIN LATERAL (SELECT tstzrange(c.open_time, {end}) AS bucket) AS b
        CROSS JOIN LATERAL (
            SELECT market.explained_children(c.instrument_id, b.bucket, s.length)
                AS children_explained
        ) AS e
        CROSS JOIN LATERAL (
            SELECT EXISTS (
                SELECT FROM ledger.coverage AS v
                WHERE v.dataset = 'candle_1m' AND v.instrument_id = c.instrument_id
                    AND v.covered @> b.bucket
            ) AS proven
        ) AS p
        WHERE NOT p.proven OR c.children_present + e.children_explained < c.children_expected
    """)  # noqa: S608 - our own names


def _replace_adjusted_candle(stock: Stock) -> None:
    values = ", ".join(
        [f"c.{price} * p.factor AS {price}" for price in PRICES]
        + ["c.volume / p.factor AS volume", "c.quote_volume"]
        + ["c.taker_buy_volume / p.factor AS taker_buy_volume", "c.taker_buy_quote_volume"]
        + ["c.trade_count", "c.flags", "p.factor", "c.load_id"]
    )
    end = stock.end.format(length="t.length", open_time="c.open_time")
    # A coarse bucket in which the unit changes is in neither: it is left out. OFFSET keeps each
    # piece a read of the primary key of its own; bounds of the whole span prune the months.
    op.execute(f"""
        CREATE OR REPLACE FUNCTION market.adjusted_candle(
            timeframe text, instrument integer, during tstzrange
        )
        RETURNS TABLE (
            instrument_id integer, open_time timestamptz, {TYPED}, flags smallint,
            factor double precision, load_id bigint
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            WITH RECURSIVE piece AS (
                SELECT adjusted_candle.instrument AS instrument_id, last.since,
                    timestamptz 'infinity' AS until, true AS is_seamless,
                    float8 '1' AS factor, last.predecessor_id, last.step
                FROM (SELECT) AS one
                LEFT JOIN LATERAL ({_last_action("adjusted_candle.instrument")}) AS last ON true
                UNION ALL
                SELECT p.predecessor_id, earlier.since, p.since,
                    p.step = 1 AND p.predecessor_id = p.instrument_id,
                    p.factor * p.step, earlier.predecessor_id, earlier.step
                FROM piece AS p
                LEFT JOIN LATERAL (
                    {_last_action("p.predecessor_id", "AND a.effective_at < p.since")}
                ) AS earlier ON true
                WHERE p.since IS NOT NULL
            )
            SELECT part.* FROM piece AS p
            CROSS JOIN LATERAL (
                SELECT c.instrument_id, c.open_time, {values}
                FROM {stock.candles} AS c
                WHERE c.timeframe = adjusted_candle.timeframe
                    AND c.instrument_id = p.instrument_id
                    AND c.open_time >= coalesce(lower(adjusted_candle.during), '-infinity')
                    AND c.open_time < coalesce(upper(adjusted_candle.during), 'infinity')
                    AND c.open_time >= coalesce(p.since, '-infinity')
                    AND c.open_time < p.until
                    AND (
                        p.is_seamless
                        OR (
                            SELECT {end} FROM {stock.timeframes} AS t
                            WHERE t.label = adjusted_candle.timeframe
                        ) <= p.until
                    )
                OFFSET 0
            ) AS part;
        END
    """)  # noqa: S608 - our own names


def _last_action(instrument: str, before: str = "") -> str:
    return f"""
        SELECT a.effective_at AS since, a.instrument_id AS predecessor_id, a.factor::float8 AS step
        FROM market.corporate_action AS a
        WHERE a.successor_id = {instrument} {before}
        ORDER BY a.effective_at DESC LIMIT 1
    """  # noqa: S608 - our own names


def _of(owner: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{owner}.{name}" for name in names)
