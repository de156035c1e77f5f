"""Features and returns of candles, what session returns rest on, and news of changes of unit."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0023"
down_revision = "0022"

LOADER = "candlewick_loader"
OURS = "open_time >= '2000-01-01 00:00:00+00' AND open_time < '2100-01-01 00:00:00+00'"
RETURN = "BETWEEN float8 '-1000' AND float8 '1000'"
VARIANCE = "BETWEEN float8 '0' AND float8 '1e9'"
PRICE = "BETWEEN float8 '1e-12' AND float8 '1e12'"
SHARE = "BETWEEN float8 '0' AND float8 '1'"
# Name, what may be stored, meaning. Null stands for what is not known: there is no NaN.
VALUES = (
    ("log_return", RETURN, "ln(close / close of the bar before)."),
    ("open_return", RETURN, "ln(open / close of the bar before)."),
    ("body_return", RETURN, "ln(close / open)."),
    ("log_range", RETURN, "ln(high / low)."),
    ("parkinson_variance", VARIANCE, "ln(high / low)^2 / (4 ln 2); Parkinson 1980."),
    (
        "garman_klass_variance",
        VARIANCE,
        "ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2; Garman and Klass 1980.",
    ),
    (
        "rogers_satchell_variance",
        VARIANCE,
        "ln(high / close) ln(high / open) + ln(low / close) ln(low / open); Rogers and Satchell "
        "1991, unbiased under drift.",
    ),
    (
        "realised_variance",
        VARIANCE,
        "Sum of the squared 1m returns of the bar; Andersen, Bollerslev, Diebold, Labys 2003. Its "
        "root is the realised volatility of one bar.",
    ),
    (
        "bipower_variation",
        VARIANCE,
        "pi / 2 times the sum of products of neighbouring absolute 1m returns; "
        "Barndorff-Nielsen and Shephard 2004. The realised variance without jumps.",
    ),
    ("vwap", PRICE, "Volume-weighted average price, in quote units."),
    ("taker_buy_share", SHARE, "Share of the volume that takers bought."),
    ("window_return", RETURN, "ln(close / close of 48 bars before)."),
    (
        "window_volatility",
        VARIANCE,
        "Root of the mean realised variance of the window: the volatility of one bar, of no year.",
    ),
    ("window_vwap", PRICE, "Volume-weighted average price of the window, in quote units."),
    ("window_position", SHARE, "Place of the close between the window's low, 0, and high, 1."),
    (
        "relative_volume",
        "BETWEEN float8 '0' AND float8 '1000'",
        "Volume by the mean volume of the window's bars.",
    ),
)
COUNTS = (
    ("minutes_present", "NOT NULL", "1m candles of the bar."),
    ("minutes_expected", "NOT NULL", "Minutes of the bar."),
    (
        "bars_since_previous",
        "",
        "How many bars ago the last bar before it was, 1 for its neighbour; null for none in 48.",
    ),
    ("window_bars", "NOT NULL", "Bars there are of the window: the last 48, this one included."),
)
LONG = [name for name, _, _ in VALUES]


def upgrade() -> None:
    _create_feature()
    _create_feature_long()
    _create_candle_return()
    _widen_session_return()
    _tell_unit_changes()
    # Both are computed: what no longer follows from the candles has to go, and is no loss.
    op.execute(f"GRANT DELETE ON market.feature, market.session_return TO {LOADER}")


def downgrade() -> None:
    op.execute("DROP TRIGGER unit_change_is_told ON market.corporate_action")
    op.execute("DROP FUNCTION market.tell_unit_change()")
    op.execute(f"REVOKE DELETE ON market.session_return FROM {LOADER}")
    op.execute("ALTER TABLE market.session_return DROP COLUMN realised_variance, DROP COLUMN vwap")
    _bound_session_return("BETWEEN float8 '-60' AND float8 '60'")
    _comment_session_return("Open of its first candle, in quote units.")
    op.execute("DROP VIEW market.candle_return, market.feature_long")
    op.execute("DROP TABLE market.feature")


def _create_feature() -> None:
    values = ", ".join(
        f"{name} double precision CONSTRAINT feature_{name} CHECK ({name} {bounds})"
        for name, bounds, _ in VALUES
    )
    counts = ", ".join(f"{name} smallint {null}" for name, null, _ in COUNTS)
    op.execute(f"""
        CREATE TABLE market.feature (
            timeframe text NOT NULL REFERENCES market.timeframe,
            instrument_id integer NOT NULL REFERENCES market.instrument,
            open_time timestamptz NOT NULL,
            {values},
            {counts},
            load_id bigint NOT NULL REFERENCES ledger.load,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (instrument_id, timeframe, open_time),
            CONSTRAINT feature_in_our_time CHECK ({OURS}),
            CONSTRAINT feature_minutes CHECK (minutes_present BETWEEN 1 AND minutes_expected),
            CONSTRAINT feature_previous CHECK (bars_since_previous BETWEEN 1 AND 48),
            CONSTRAINT feature_window CHECK (window_bars BETWEEN 1 AND 48)
        ) PARTITION BY RANGE (open_time)
    """)
    comment_table(
        "market.feature",
        "What a bar and the 48 bars before it tell, one row a bar, known once the bar is over: no "
        "value rests on a later minute. Computed from 1m candles; null where it is not known. A "
        "return across an absent bar is not known; prices before a change of unit are put into the "
        "unit of the bar.",
        {
            "timeframe": "Of the bars; see market.timeframe.",
            "instrument_id": "Whose bar.",
            "open_time": "First instant of the bar, UTC.",
            **{name: meaning for name, _, meaning in (*VALUES, *COUNTS)},
            "load_id": "The load that wrote it.",
            "recorded_at": "When these values were stored, UTC.",
        },
    )


def _create_feature_long() -> None:
    pairs = ", ".join(f"('{name}', f.{name})" for name in LONG)
    op.execute(f"""
        CREATE VIEW market.feature_long AS
        SELECT f.timeframe, f.instrument_id, f.open_time, each.feature, each.value
        FROM market.feature AS f
        CROSS JOIN LATERAL (VALUES {pairs}) AS each (feature, value)
        WHERE each.value IS NOT NULL
    """)  # noqa: S608 - our own names
    comment_table(
        "market.feature_long",
        "market.feature with one row per value that is known: wide made long.",
        {
            "timeframe": "Of the bar; see market.timeframe.",
            "instrument_id": "Whose bar.",
            "open_time": "First instant of the bar, UTC.",
            "feature": "Which one: a column of market.feature.",
            "value": "Its value.",
        },
        kind="VIEW",
    )


def _create_candle_return() -> None:
    op.execute("""
        CREATE VIEW market.candle_return AS
        SELECT f.timeframe, f.instrument_id, f.open_time,
            market.bucket_end(t.length, f.open_time) AS known_at,
            f.log_return, exp(f.log_return) - 1 AS simple_return, f.open_return,
            sqrt(f.realised_variance) AS realised_volatility,
            f.log_return / nullif(sqrt(f.realised_variance), 0) AS standardised_return
        FROM market.feature AS f
        JOIN market.timeframe AS t ON t.label = f.timeframe
    """)
    comment_table(
        "market.candle_return",
        "Returns of candles and the volatility they came with; null where not known.",
        {
            "timeframe": "Of the candle; see market.timeframe.",
            "instrument_id": "Whose candle.",
            "open_time": "First instant of the candle, UTC.",
            "known_at": "End of the candle, the first instant all this is known, UTC.",
            "log_return": "ln(close / close of the candle before).",
            "simple_return": "close / close of the candle before, less 1.",
            "open_return": "ln(open / close of the candle before).",
            "realised_volatility": "Root of the sum of the squared 1m returns of the candle.",
            "standardised_return": "log_return by realised_volatility.",
        },
        kind="VIEW",
    )


def _widen_session_return() -> None:
    op.execute(f"""
        ALTER TABLE market.session_return
            ADD COLUMN realised_variance double precision
                CONSTRAINT return_realised_variance CHECK (realised_variance {VARIANCE}),
            ADD COLUMN vwap double precision CONSTRAINT return_vwap CHECK (vwap {PRICE})
    """)
    # A redenomination within a session may multiply prices by any factor.
    _bound_session_return(RETURN)
    comment(
        "COLUMN",
        "market.session_return.realised_variance",
        "Sum of the squared 1m returns of the session.",
    )
    comment(
        "COLUMN",
        "market.session_return.vwap",
        "Volume-weighted average price of the session, in quote units; null when not known.",
    )
    _comment_session_return("Open of its first candle, in quote units, in the unit of its close.")


def _bound_session_return(bounds: str) -> None:
    op.execute(
        "ALTER TABLE market.session_return DROP CONSTRAINT return_range, "
        f"ADD CONSTRAINT return_range CHECK (log_return {bounds})"
    )


def _comment_session_return(meaning: str) -> None:
    comment("COLUMN", "market.session_return.open_price", meaning)


def _tell_unit_changes() -> None:
    # A factor declared late makes other numbers of candles that stay as they are.
    op.execute("""
        CREATE FUNCTION market.tell_unit_change() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            told record;
        BEGIN
            FOR told IN
                SELECT DISTINCT action.instrument_id,
                    date_trunc('minute', action.effective_at) AS minute
                FROM (
                    VALUES
                        (OLD.instrument_id, OLD.successor_id, OLD.effective_at, OLD.factor),
                        (NEW.instrument_id, NEW.successor_id, NEW.effective_at, NEW.factor)
                ) AS action (instrument_id, successor_id, effective_at, factor)
                WHERE action.instrument_id = action.successor_id AND action.factor <> 1
                    AND (NEW.factor, NEW.effective_at)
                        IS DISTINCT FROM (OLD.factor, OLD.effective_at)
                ORDER BY 2
            LOOP
                PERFORM ledger.file_repair('candle_1m', told.instrument_id, told.minute,
                    told.minute + interval '1 minute');
            END LOOP;
            RETURN NULL;
        END
        $$
    """)
    comment(
        "FUNCTION",
        "market.tell_unit_change()",
        "Files a change of the minute in which the unit of an instrument changes, so that what was "
        "derived across it is derived again.",
    )
    op.execute("""
        CREATE TRIGGER unit_change_is_told AFTER INSERT OR UPDATE OR DELETE
        ON market.corporate_action
        FOR EACH ROW EXECUTE FUNCTION market.tell_unit_change()
    """)
