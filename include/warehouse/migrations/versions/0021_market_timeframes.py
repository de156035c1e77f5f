"""Timeframes as data: which there are, what each is built from, and tables made for any chain."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from include.market.errors import InvalidInputError
from include.warehouse.migrations.comments import comment, comment_table
from include.warehouse.migrations.timeframe_functions import (
    CHILDREN,
    FORMER,
    NO_CHILDREN,
    REGISTERED,
    VALUES,
    fixed_stock,
    quoted,
    replace_reads,
)

revision = "0021"
down_revision = "0020"

LOADER = "candlewick_loader"
LABEL = "~ '^([1-9][0-9]{0,3}[mh]|1d|1w|1M)$'"
FORMER_LABELS = ", ".join(f"'{label}'" for label, _, _ in FORMER)
FUNCTIONS = (
    "ensure_timeframe(text, interval, text)",
    "list_stored_candles()",
    "bucket_end(interval, timestamptz)",
    "bucket_start(interval, timestamptz)",
)
MEANING_OF_CANDLES = {
    "timeframe": "Its timeframe; see market.timeframe.",
    "instrument_id": "Whose candle.",
    "open_time": "First instant of the bucket, UTC.",
    "open": "First price, in quote units.",
    "high": "Highest price, in quote units.",
    "low": "Lowest price, in quote units.",
    "close": "Last price, in quote units.",
    "volume": "Quantity traded, in base units.",
    "quote_volume": "Quantity traded, in quote units; null where not stated.",
    "taker_buy_volume": "Quantity bought by takers, in base units; null where not stated.",
    "taker_buy_quote_volume": "Quantity bought by takers, in quote units; null where not stated.",
    "trade_count": "Number of trades; null where not stated.",
    "children_present": "Finer candles it was built from; null for 1m.",
    "children_expected": "Finer candles a full bucket has; null for 1m.",
    "flags": "What was mended or is wanting, added up; see market.candle.",
    "source": "Way it came; see market.source.",
    "revision": "1 when first stored, one more each time its values changed.",
    "load_id": "The load that wrote it.",
    "recorded_at": "When this revision was stored, UTC.",
}


def upgrade() -> None:
    _create_timeframe()
    _create_buckets()
    _create_list_stored_candles()
    _create_ensure_timeframe()
    replace_reads(REGISTERED, REGISTERED)
    _admit_labels(
        ("market.candle_revision", "revision_timeframe", f"timeframe {LABEL}"),
        ("model.fit_run", "fit_timeframe", f"timeframe {LABEL}"),
    )
    for relation in ("market.candle", "market.candle_revision", "market.incomplete_candle"):
        comment("COLUMN", f"{relation}.timeframe", "Its timeframe; see market.timeframe.")
    comment("COLUMN", "model.fit_run.timeframe", "Which candles; see market.timeframe.")


def downgrade() -> None:
    added = _added_tables()
    replace_reads(fixed_stock(), fixed_stock(flagged=False))
    listed = f"timeframe IN ({FORMER_LABELS})"
    # Refused by the database while a row of another timeframe is kept.
    _admit_labels(
        ("market.candle_revision", "revision_timeframe", listed),
        ("model.fit_run", "fit_timeframe", listed),
    )
    for column, names in (
        ("market.candle.timeframe", "1m, 5m, 30m, 4h"),
        ("market.incomplete_candle.timeframe", "5m, 30m, 4h"),
    ):
        comment("COLUMN", column, f"Candle table: {names}.")
    kept = "Candle table it stood in: 1m, 5m, 30m, 4h."
    comment("COLUMN", "market.candle_revision.timeframe", kept)
    comment("COLUMN", "model.fit_run.timeframe", "Which candles: 1m, 5m, 30m, 4h.")
    op.execute("DROP VIEW market.stored_candle")
    for table in (*added, "timeframe"):
        op.execute(f"DROP TABLE market.{table}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION market.{function}")


def _added_tables() -> list[str]:
    """Return the tables made since, all of them empty.

    Raises:
        InvalidInputError: one holds candles.
    """
    bind = op.get_bind()
    query = f"SELECT dataset FROM market.timeframe WHERE label NOT IN ({FORMER_LABELS}) ORDER BY 1"  # noqa: S608
    added = list(bind.execute(text(query)).scalars())
    for table in added:
        if bind.execute(text(f"SELECT FROM market.{table} LIMIT 1")).first() is not None:
            raise InvalidInputError(
                f"market.{table} holds candles: delete them and their rows in "
                "market.candle_revision, then downgrade"
            )
    return added


def _admit_labels(*rules: tuple[str, str, str]) -> None:
    for table, constraint, rule in rules:
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {constraint}, "
            f"ADD CONSTRAINT {constraint} CHECK ({rule})"
        )


def _create_timeframe() -> None:
    op.execute(f"""
        CREATE TABLE market.timeframe (
            label text PRIMARY KEY CONSTRAINT timeframe_label CHECK (label {LABEL}),
            dataset text NOT NULL UNIQUE CONSTRAINT timeframe_dataset CHECK (
                dataset = 'candle_' || CASE label WHEN '1M' THEN '1mo' ELSE label END
            ),
            length interval NOT NULL CONSTRAINT timeframe_length CHECK (length > interval '0'),
            source text REFERENCES market.timeframe,
            is_configured boolean NOT NULL DEFAULT true,
            configured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT timeframe_is_built CHECK (
                (source IS NOT NULL) = (is_configured AND label <> '1m')
            )
        )
    """)
    op.execute("CREATE INDEX timeframe_source ON market.timeframe (source)")
    comment_table(
        "market.timeframe",
        "The timeframes candles are stored in. Written by whoever migrates, from "
        "CANDLEWICK_TIMEFRAMES.",
        {
            "label": "Its name, e.g. 5m; 1w begins on Monday, 1M is a calendar month.",
            "dataset": "Its table in schema market, and its name in the ledger.",
            "length": "How long its candles last; one month for 1M.",
            "source": "The finer timeframe it is built from; null for 1m and for one that is no "
            "longer built.",
            "is_configured": "Whether it is kept up to date; what was stored before stays.",
            "configured_at": "When that or its source last changed, UTC.",
        },
    )
    # Which timeframes there are is for whoever migrates to say, not for a job.
    op.execute(f"REVOKE INSERT, UPDATE ON market.timeframe FROM {LOADER}")
    rows = ", ".join(
        f"('{label}', 'candle_{label}', '{length}', {quoted(source)})"
        for label, length, source in FORMER
    )
    op.execute(f"INSERT INTO market.timeframe (label, dataset, length, source) VALUES {rows}")  # noqa: S608


def _create_buckets() -> None:
    # Immutable and folded into the query around them: with a length that is known while planning
    # nothing but one date_bin remains.
    op.execute("""
        CREATE FUNCTION market.bucket_start(length interval, instant timestamptz)
        RETURNS timestamptz
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE
            WHEN extract(month FROM length) = 1 THEN date_trunc('month', instant, 'UTC')
            WHEN length = interval '7 days'
                THEN date_bin('7 days', instant, timestamptz '1970-01-05 00:00:00+00')
            ELSE date_bin(length, instant, timestamptz '1970-01-01 00:00:00+00')
        END
    """)
    comment(
        "FUNCTION",
        "market.bucket_start(interval, timestamptz)",
        "First instant of the candle of that length that holds an instant: counted from midnight "
        "UTC, weeks from Monday, months from the first; the time zone of the session is of no "
        "concern.",
    )
    op.execute("""
        CREATE FUNCTION market.bucket_end(length interval, open_time timestamptz)
        RETURNS timestamptz
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN date_add(open_time, length, 'UTC')
    """)
    comment(
        "FUNCTION",
        "market.bucket_end(interval, timestamptz)",
        "First instant after the candle of that length that opens at open_time; the time zone of "
        "the session is of no concern.",
    )


def _create_list_stored_candles() -> None:
    op.execute(f"""
        CREATE FUNCTION market.list_stored_candles() RETURNS void
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            parts text;
        BEGIN
            SELECT string_agg(
                format(
                    'SELECT %L::text AS timeframe, instrument_id, open_time, {", ".join(VALUES)}, '
                    '%s, flags, source, revision, load_id, recorded_at FROM market.%I',
                    label,
                    CASE label WHEN '1m' THEN '{", ".join(NO_CHILDREN)}'
                        ELSE '{", ".join(CHILDREN)}' END,
                    dataset
                ),
                ' UNION ALL ' ORDER BY length
            ) INTO STRICT parts FROM market.timeframe;
            EXECUTE 'CREATE OR REPLACE VIEW market.stored_candle AS ' || parts;
        END
        $$
    """)  # noqa: S608 - our own names
    comment(
        "FUNCTION",
        "market.list_stored_candles()",
        "Defines market.stored_candle over the tables of all timeframes.",
    )
    _keep_from_public("list_stored_candles()")
    op.execute("SELECT market.list_stored_candles()")
    comment_table(
        "market.stored_candle",
        "The candles of all timeframes as stored, synthetic ones included, and those of timeframes "
        "that are no longer kept up to date. Name a timeframe, and no other table is read.",
        MEANING_OF_CANDLES,
        kind="VIEW",
    )


def _create_ensure_timeframe() -> None:
    # A table like the one of 5m, with a grid of its own. What is built from another source than
    # before has to be built anew: its cursor stands in the changes of the former one.
    op.execute("""
        CREATE FUNCTION market.ensure_timeframe(label text, length interval, source text)
        RETURNS boolean
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            named text := CASE label WHEN '1M' THEN '1mo' ELSE label END;
            relation text := 'candle_' || named;
            known market.timeframe;
        BEGIN
            SELECT * INTO known FROM market.timeframe AS t
            WHERE t.label = ensure_timeframe.label FOR UPDATE;
            IF known.is_configured AND known.source IS NOT DISTINCT FROM ensure_timeframe.source
            THEN
                RETURN false;
            END IF;
            INSERT INTO market.timeframe AS t (label, dataset, length, source)
            VALUES (ensure_timeframe.label, relation, ensure_timeframe.length,
                ensure_timeframe.source)
            ON CONFLICT ON CONSTRAINT timeframe_pkey DO UPDATE
            SET source = excluded.source, is_configured = true, configured_at = clock_timestamp();
            DELETE FROM ledger.cursor WHERE stage = 'cascade_' || named;
            IF known.label IS NULL THEN
                EXECUTE format('CREATE TABLE market.%I (LIKE market.candle_5m INCLUDING ALL) '
                    'PARTITION BY RANGE (open_time)', relation);
                EXECUTE format('ALTER TABLE market.%I '
                    'DROP CONSTRAINT candle_on_grid, '
                    'ADD CONSTRAINT candle_on_grid CHECK ('
                    'open_time = market.bucket_start(%L, open_time)), '
                    'DROP CONSTRAINT candle_in_our_time, '
                    'ADD CONSTRAINT candle_in_our_time CHECK (open_time >= %L '
                    'AND open_time < ''2100-01-01 00:00:00+00''), '
                    'ADD FOREIGN KEY (instrument_id) REFERENCES market.instrument, '
                    'ADD FOREIGN KEY (load_id) REFERENCES ledger.load',
                    relation, length, market.bucket_start(length, '2000-01-01 00:00:00+00'));
                EXECUTE format('COMMENT ON TABLE market.%I IS %L', relation, format(
                    'Final candles of %s, the newest revision of each; by month of open_time. '
                    'NaN and infinities cannot be stored: no range constraint holds for them.',
                    label));
                PERFORM market.list_stored_candles();
            END IF;
            RETURN true;
        END
        $$
    """)
    comment(
        "FUNCTION",
        "market.ensure_timeframe(text, interval, text)",
        "Makes the table of a timeframe unless it is there, and notes what it is built from; tells "
        "whether anything changed. A timeframe that is new, or built from another one than before, "
        "is then built anew by its stage.",
    )
    _keep_from_public("ensure_timeframe(text, interval, text)")


def _keep_from_public(function: str) -> None:
    op.execute(f"REVOKE ALL ON FUNCTION market.{function} FROM PUBLIC")
