"""Flags of a candle; the venues' clocks; holes in the ids of trades."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table
from include.warehouse.migrations.instrument_functions import create_adjusted_candle
from include.warehouse.migrations.reordering import keep_definitions, place_before, recreate

revision = "0017"
down_revision = "0016"

LABELS = ("1m", "5m", "30m", "4h")
PRICES = ("open", "high", "low", "close")
VOLUMES = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
FLOATS = PRICES + VOLUMES
VALUES = ", ".join([*FLOATS, "trade_count"])
CHILDREN = "children_present, children_expected"
NO_CHILDREN = "NULL::smallint AS children_present, NULL::smallint AS children_expected"
PROVENANCE = "source, revision, load_id, recorded_at"
TYPED = ", ".join(f"{name} double precision" for name in FLOATS) + ", trade_count bigint"
MEANING = (
    "What was mended or is wanting, added up: 1 moved onto the grid, 2 ends before its time, "
    "4 made up, 8 children are absent. 0 for most."
)
MADE_UP = "(c.flags | CASE WHEN s.is_synthetic THEN 4 ELSE 0 END)::smallint,"
OTHER_READS = (
    "market.incomplete_candle",
    "market.candle_lineage(text,integer,timestamp with time zone)",
)
FUNCTIONS = (
    "candle_as_of(text, timestamptz)",
    "filled_candle_1m(integer, timestamptz, timestamptz)",
    "adjusted_candle(text, integer, tstzrange)",
)


def upgrade() -> None:
    others = keep_definitions(*OTHER_READS)
    _drop_reads()
    op.execute(f"DROP VIEW {OTHER_READS[0]}")
    op.execute(f"DROP FUNCTION {OTHER_READS[1]}")
    for table in (*(f"candle_{label}" for label in LABELS), "candle_revision"):
        # A candle from the venue has no children that could be absent.
        most = 7 if table == "candle_1m" else 15
        op.execute(f"""
            ALTER TABLE market.{table} ADD COLUMN flags smallint NOT NULL DEFAULT 0
                CONSTRAINT candle_flags CHECK (flags BETWEEN 0 AND {most})
        """)
        comment("COLUMN", f"market.{table}.flags", MEANING)
    for label in LABELS:
        # Beside the small numbers it fills what would be padding.
        place_before(f"candle_{label}", "flags", "source")
    recreate(others)
    _create_candle(flagged=True)
    _create_candle_as_of(flagged=True)
    _create_filled_candle(flagged=True)
    create_adjusted_candle(flagged=True)
    _create_clock_reading()
    _create_id_hole()


def downgrade() -> None:
    op.execute("DROP TABLE ledger.id_hole")
    op.execute("DROP TABLE ledger.clock_reading")
    _drop_reads()
    for table in (*(f"candle_{label}" for label in LABELS), "candle_revision"):
        op.execute(f"ALTER TABLE market.{table} DROP COLUMN flags")
    _create_candle(flagged=False)
    _create_candle_as_of(flagged=False)
    _create_filled_candle(flagged=False)
    create_adjusted_candle()


def _drop_reads() -> None:
    op.execute("DROP VIEW market.candle")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION market.{function}")


def _create_candle(*, flagged: bool) -> None:
    flags = "flags," if flagged else ""
    parts = " UNION ALL ".join(
        f"""
            SELECT '{label}'::text AS timeframe, instrument_id, open_time, {VALUES},
                {NO_CHILDREN if label == "1m" else CHILDREN}, {flags} {PROVENANCE}
            FROM market.candle_{label}
            WHERE source NOT IN (SELECT name FROM market.source WHERE is_synthetic)
        """  # noqa: S608 - our own labels
        for label in LABELS
    )
    op.execute(f"CREATE VIEW market.candle AS {parts}")
    comment_table(
        "market.candle",
        "The candles of all timeframes that a venue stated or that were computed from such: the "
        "default read. Synthetic ones are left out.",
        {
            "timeframe": "Candle table: 1m, 5m, 30m, 4h.",
            "instrument_id": "Whose candle.",
            "open_time": "First instant of the bucket, UTC.",
            "open": "First price, in quote units.",
            "high": "Highest price, in quote units.",
            "low": "Lowest price, in quote units.",
            "close": "Last price, in quote units.",
            "volume": "Quantity traded, in base units.",
            "quote_volume": "Quantity traded, in quote units; null where not stated.",
            "taker_buy_volume": "Quantity bought by takers, in base units; null where not stated.",
            "taker_buy_quote_volume": "Quantity bought by takers, in quote units; null where not "
            "stated.",
            "trade_count": "Number of trades; null where not stated.",
            "children_present": "Finer candles it was built from; null for 1m.",
            "children_expected": "Finer candles a full bucket has; null for 1m.",
            "source": "Way it came; see market.source.",
            "revision": "1 when first stored, one more each time its values changed.",
            "load_id": "The load that wrote it.",
            "recorded_at": "When this revision was stored, UTC.",
        }
        | ({"flags": MEANING} if flagged else {}),
        kind="VIEW",
    )


def _create_candle_as_of(*, flagged: bool) -> None:
    flags = "flags," if flagged else ""
    current = " UNION ALL ".join(
        f"""
            SELECT '{label}', instrument_id, open_time, {VALUES},
                {NO_CHILDREN if label == "1m" else CHILDREN}, {flags} {PROVENANCE}
            FROM market.candle_{label}
            WHERE candle_as_of.timeframe = '{label}' AND recorded_at <= candle_as_of.at
        """  # noqa: S608 - our own labels
        for label in LABELS
    )
    # Kept free of SET and STRICT so that the planner folds it into the query around it and a
    # condition on instrument_id and open_time reaches the primary keys.
    op.execute(f"""
        CREATE FUNCTION market.candle_as_of(timeframe text, at timestamptz)
        RETURNS TABLE (
            candle_timeframe text, instrument_id integer, open_time timestamptz, {TYPED},
            children_present smallint, children_expected smallint,
            {"flags smallint," if flagged else ""}
            source text, revision integer, load_id bigint, recorded_at timestamptz
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            {current}
            UNION ALL
            SELECT r.timeframe, r.instrument_id, r.open_time,
                {", ".join(f"r.{name}" for name in VALUES.split(", "))},
                r.children_present, r.children_expected, {"r.flags," if flagged else ""}
                r.source, r.revision, r.load_id, lower(r.recorded_during)
            FROM market.candle_revision AS r
            WHERE r.timeframe = candle_as_of.timeframe AND r.recorded_during @> candle_as_of.at;
        END
    """)  # noqa: S608 - our own labels
    comment(
        "FUNCTION",
        "market.candle_as_of(text, timestamptz)",
        "The candles of a timeframe as they stood at an instant: the revision stored then, not "
        "the newest. A load counts from the instant it held its locks, moments before its commit.",
    )


def _create_filled_candle(*, flagged: bool) -> None:
    # The flat candle of a minute without trades repeats the close before it.
    op.execute(f"""
        CREATE FUNCTION market.filled_candle_1m(
            instrument integer, from_time timestamptz, to_time timestamptz
        )
        RETURNS TABLE (
            instrument_id integer, open_time timestamptz, {TYPED},
            {"flags smallint," if flagged else ""} source text, is_synthetic boolean
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT c.instrument_id, c.open_time,
                {", ".join(f"c.{name}" for name in VALUES.split(", "))},
                {MADE_UP if flagged else ""}
                c.source, s.is_synthetic
            FROM market.candle_1m AS c
            INNER JOIN market.source AS s ON s.name = c.source
            WHERE c.instrument_id = filled_candle_1m.instrument
                AND c.open_time >= filled_candle_1m.from_time
                AND c.open_time < filled_candle_1m.to_time
            UNION ALL
            SELECT g.instrument_id, m.minute, p.close, p.close, p.close, p.close,
                0, 0, 0, 0, 0, {"4::smallint," if flagged else ""} 'synthetic', true
            FROM ledger.gap AS g
            CROSS JOIN LATERAL (
                SELECT b.close FROM market.candle_1m AS b
                WHERE b.instrument_id = g.instrument_id AND b.open_time < g.span_start
                ORDER BY b.open_time DESC
                LIMIT 1
            ) AS p
            CROSS JOIN LATERAL generate_series(
                greatest(
                    g.span_start,
                    date_bin('1 minute', filled_candle_1m.from_time + interval '59.999999 seconds',
                             '1970-01-01 00:00:00+00')
                ),
                least(g.span_end, filled_candle_1m.to_time) - interval '1 microsecond',
                interval '1 minute'
            ) AS m (minute)
            WHERE g.dataset = 'candle_1m' AND g.instrument_id = filled_candle_1m.instrument
                AND g.closed_at IS NULL AND g.reason = 'no_trade'
                AND g.span_start < filled_candle_1m.to_time
                AND g.span_end > filled_candle_1m.from_time;
        END
    """)  # noqa: S608 - our own names
    comment(
        "FUNCTION",
        "market.filled_candle_1m(integer, timestamptz, timestamptz)",
        "The minutes of an instrument with open time in [from_time, to_time), and for every minute "
        "in which proof says nothing was traded a flat one, flagged is_synthetic: the close before "
        "it, volume 0. Absences for other reasons stay absent. In no order.",
    )


def _create_clock_reading() -> None:
    op.execute("""
        CREATE TABLE ledger.clock_reading (
            venue text NOT NULL,
            measured_at timestamptz NOT NULL,
            offset_ms double precision NOT NULL
                CONSTRAINT clock_offset CHECK (offset_ms BETWEEN -1e15 AND 1e15),
            bound_ms double precision NOT NULL
                CONSTRAINT clock_bound CHECK (bound_ms BETWEEN 0 AND 1e15),
            is_skewed boolean NOT NULL,
            PRIMARY KEY (venue, measured_at)
        )
    """)
    comment_table(
        "ledger.clock_reading",
        "How far the clocks of the venues were from ours: one reading an hour, and every one "
        "beyond what is tolerated.",
        {
            "venue": "Whose clock.",
            "measured_at": "When, by our clock, UTC.",
            "offset_ms": "How far it was ahead of ours, in milliseconds; negative, behind.",
            "bound_ms": "By how much that can be wrong: half of the time the answer took.",
            "is_skewed": "Whether it was certainly farther off than settings tolerate.",
        },
    )


def _create_id_hole() -> None:
    op.execute("""
        CREATE TABLE ledger.id_hole (
            hole_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            dataset text NOT NULL
                CONSTRAINT id_hole_dataset CHECK (dataset ~ '^[a-z][a-z0-9_]{0,62}$'),
            instrument_id integer NOT NULL REFERENCES market.instrument,
            first_id bigint NOT NULL CONSTRAINT id_hole_first CHECK (first_id >= 0),
            last_id bigint NOT NULL CONSTRAINT id_hole_last CHECK (last_id < 9223372036854775807),
            is_fault boolean NOT NULL,
            proof jsonb NOT NULL DEFAULT '{}',
            found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            closed_at timestamptz,
            CONSTRAINT id_hole_runs_forward CHECK (first_id <= last_id),
            CONSTRAINT id_hole_written_once EXCLUDE USING gist (
                market.textrange(dataset, dataset, '[]') WITH =,
                int4range(instrument_id, instrument_id, '[]') WITH =,
                int8range(first_id, last_id, '[]') WITH &&
            ) WHERE (closed_at IS NULL)
        )
    """)
    op.execute("CREATE INDEX id_hole_instrument ON ledger.id_hole (instrument_id)")
    comment_table(
        "ledger.id_hole",
        "Ranges of ids that never came between others that did. Open holes of one series never "
        "overlap.",
        {
            "hole_id": "Identity; a hole that is cut gets new ones.",
            "dataset": "Table with the hole, e.g. trade.",
            "instrument_id": "Whose rows.",
            "first_id": "First absent id.",
            "last_id": "Last absent id.",
            "is_fault": "Whether the venue promises ids without holes: then something is missing. "
            "Else the ids were never given out, as on futures.",
            "proof": "What is known of the neighbours.",
            "found_at": "When it was first noticed, UTC.",
            "closed_at": "When some or all of its ids came, UTC; null while it is open.",
        },
    )
