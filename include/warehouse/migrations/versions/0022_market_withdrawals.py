"""Candles withdrawn, stages that run ahead, candles still forming, the proof of the cascade."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.cascade_reads import (
    DIFFERENCE,
    FORMING,
    create_cascade_difference,
    create_forming_candle,
)
from include.warehouse.migrations.comments import comment

revision = "0022"
down_revision = "0021"

LOADER = "candlewick_loader"
REMOVE = "market.remove_candles(text, integer[], timestamptz[], bigint)"
WITHDRAW = "market.withdraw_candles(integer, timestamptz, timestamptz, text, text, text)"
WAITING = "ledger.waiting_changes(text, text)"
REASONS = "'new', 'revised', 'repaired'"
COVERED = "Union of the proven spans, half-open, UTC; it never shrinks"


def upgrade() -> None:
    _extend_ledger()
    _create_remove_candles()
    _create_withdraw_candles()
    create_forming_candle()
    create_cascade_difference()
    for function in (REMOVE, WITHDRAW):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {LOADER}")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {DIFFERENCE}")
    op.execute("DROP VIEW market.provisional_candle")
    for function in (FORMING, WITHDRAW, REMOVE, WAITING):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("ALTER TABLE ledger.cursor DROP COLUMN ahead, DROP COLUMN ahead_upto")
    op.execute("ALTER TABLE ledger.load DROP COLUMN rows_withdrawn")
    op.execute("ALTER TABLE market.candle_revision DROP COLUMN withdrawn_by")
    # What was withdrawn stays away; to the stages before this one a change is a change.
    op.execute("UPDATE ledger.change SET reason = 'revised' WHERE reason = 'withdrawn'")
    _replace_change_reason(REASONS)
    comment("COLUMN", "ledger.change.reason", "new, revised or repaired.")
    comment("COLUMN", "ledger.coverage.covered", f"{COVERED}.")


def _replace_change_reason(reasons: str) -> None:
    op.execute(f"""
        ALTER TABLE ledger.change
            DROP CONSTRAINT change_reason,
            ADD CONSTRAINT change_reason CHECK (reason IN ({reasons}))
    """)


def _extend_ledger() -> None:
    _replace_change_reason(f"{REASONS}, 'withdrawn'")
    comment("COLUMN", "ledger.change.reason", "new, revised, repaired or withdrawn.")
    comment(
        "COLUMN",
        "ledger.coverage.covered",
        f"{COVERED} but where candles are withdrawn without a reason that explains their absence.",
    )
    op.execute("""
        ALTER TABLE ledger.load ADD COLUMN rows_withdrawn bigint NOT NULL DEFAULT 0
            CONSTRAINT load_rows_withdrawn CHECK (rows_withdrawn >= 0)
    """)
    comment(
        "COLUMN",
        "ledger.load.rows_withdrawn",
        "Stored rows it took away; each is kept in market.candle_revision.",
    )
    op.execute("""
        ALTER TABLE market.candle_revision ADD COLUMN withdrawn_by bigint REFERENCES ledger.load
    """)
    op.execute("""
        CREATE INDEX candle_revision_withdrawn
        ON market.candle_revision (timeframe, instrument_id, open_time) INCLUDE (revision)
        WHERE withdrawn_by IS NOT NULL
    """)
    comment(
        "COLUMN",
        "market.candle_revision.withdrawn_by",
        "The load that took the candle away without another in its place; null where the next "
        "revision replaced it.",
    )
    op.execute("""
        ALTER TABLE ledger.cursor
            ADD COLUMN ahead xid8[] NOT NULL DEFAULT '{}',
            ADD COLUMN ahead_upto bigint[] NOT NULL DEFAULT '{}',
            ADD CONSTRAINT cursor_ahead_in_pairs CHECK (
                cardinality(ahead) = cardinality(ahead_upto)
            )
    """)
    comment(
        "COLUMN",
        "ledger.cursor.ahead",
        "Transactions at or beyond xid whose changes are done all the same: the stage ran within "
        "them.",
    )
    comment(
        "COLUMN",
        "ledger.cursor.ahead_upto",
        "For each of them the last change that is done.",
    )
    _create_waiting_changes()


def _create_waiting_changes() -> None:
    # Without SET and STRICT, so that the planner folds it into the query around it.
    op.execute("""
        CREATE FUNCTION ledger.waiting_changes(stage text, dataset text)
        RETURNS TABLE (
            change_id bigint, instrument_id integer, span_start timestamptz,
            span_end timestamptz, reason text, load_id bigint
        )
        LANGUAGE sql STABLE
        BEGIN ATOMIC
            SELECT c.change_id, c.instrument_id, c.span_start, c.span_end, c.reason, c.load_id
            FROM ledger.change AS c
            WHERE c.dataset = waiting_changes.dataset
                AND c.xid >= coalesce(
                    (SELECT p.xid FROM ledger.cursor AS p WHERE p.stage = waiting_changes.stage),
                    '0'::xid8
                )
                AND NOT EXISTS (
                    SELECT FROM ledger.cursor AS p
                    CROSS JOIN LATERAL unnest(p.ahead, p.ahead_upto) AS done (xid, upto)
                    WHERE p.stage = waiting_changes.stage
                        AND done.xid = c.xid AND c.change_id <= done.upto
                );
        END
    """)
    comment(
        "FUNCTION",
        WAITING,
        "The committed changes of a dataset that a stage has not done, those included that it may "
        "not read yet because an older transaction is still open.",
    )


def _create_remove_candles() -> None:
    # Runs as the owner for a loader who may delete no candle, hence the look at the receipt; a
    # candle leaves its table only together with its revision and a change.
    op.execute("""
        CREATE FUNCTION market.remove_candles(
            timeframe text, instrument_ids integer[], open_times timestamptz[], load_id bigint
        ) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        SET timezone = 'UTC' AS $$
        DECLARE
            target text;
            step interval;
            receipt ledger.load;
            kept_columns text;
            removed bigint;
        BEGIN
            SELECT t.dataset, t.length INTO target, step
            FROM market.timeframe AS t WHERE t.label = remove_candles.timeframe;
            SELECT * INTO receipt FROM ledger.load AS l WHERE l.load_id = remove_candles.load_id;
            IF target IS NULL OR receipt.dataset IS DISTINCT FROM target THEN
                RAISE EXCEPTION 'remove_candles: expected a load of the candles of %, was load % '
                    'of %', timeframe, load_id, receipt.dataset
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
            IF cardinality(instrument_ids) IS DISTINCT FROM cardinality(open_times) THEN
                RAISE EXCEPTION 'remove_candles: expected one open time for each instrument, '
                    'was % for %', cardinality(open_times), cardinality(instrument_ids)
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
            SELECT string_agg(quote_ident(own.attname), ', ' ORDER BY own.attnum)
            INTO STRICT kept_columns
            FROM pg_attribute AS own
            JOIN pg_attribute AS kept ON kept.attname = own.attname
            WHERE own.attrelid = format('market.%I', target)::regclass AND own.attnum > 0
                AND NOT own.attisdropped
                AND kept.attrelid = 'market.candle_revision'::regclass AND kept.attnum > 0
                AND NOT kept.attisdropped;
            EXECUTE format($query$
                WITH gone AS (
                    DELETE FROM market.%1$I AS stored
                    USING unnest($1, $2) AS named (instrument_id, open_time)
                    WHERE stored.instrument_id = named.instrument_id
                        AND stored.open_time = named.open_time
                        AND stored.open_time >= (SELECT min(o) FROM unnest($2) AS o)
                        AND stored.open_time <= (SELECT max(o) FROM unnest($2) AS o)
                    RETURNING stored.*
                ), kept AS (
                    INSERT INTO market.candle_revision
                        (timeframe, recorded_during, withdrawn_by, %2$s)
                    SELECT $3, tstzrange(
                            recorded_at, greatest($5, recorded_at + interval '1 microsecond')
                        ), $4, %2$s
                    FROM gone
                ), runs AS (
                    SELECT instrument_id, open_time, open_time - row_number() OVER (
                        PARTITION BY instrument_id ORDER BY open_time) * $6 AS run
                    FROM gone
                ), told AS (
                    INSERT INTO ledger.change
                        (dataset, instrument_id, span_start, span_end, reason, load_id)
                    SELECT %1$L, instrument_id, min(open_time), max(open_time) + $6, 'withdrawn', $4
                    FROM runs
                    GROUP BY instrument_id, run
                    ORDER BY instrument_id, min(open_time)
                )
                SELECT count(*) FROM gone
            $query$, target, kept_columns)
            INTO removed
            USING instrument_ids, open_times, timeframe, load_id, receipt.recorded_at, step;
            UPDATE ledger.load AS l SET rows_withdrawn = l.rows_withdrawn + removed
            WHERE l.load_id = remove_candles.load_id;
            RETURN removed;
        END
        $$
    """)
    comment(
        "FUNCTION",
        REMOVE,
        "Takes the named candles of a timeframe out of their table in the name of a load of it: "
        "each is kept in market.candle_revision, and ledger.change tells of it. Returns how many "
        "there were. The caller holds the locks of the series.",
    )


def _create_withdraw_candles() -> None:
    op.execute("""
        CREATE FUNCTION market.withdraw_candles(
            instrument integer, from_time timestamptz, to_time timestamptz, why text,
            reason text DEFAULT 'unknown', run_id text DEFAULT 'withdrawal'
        ) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            minutes timestamptz[];
            absent tstzmultirange;
            receipt bigint;
        BEGIN
            IF (from_time < to_time AND btrim(why) <> '') IS NOT TRUE THEN
                RAISE EXCEPTION 'withdraw_candles: expected a span and, in words, why its candles '
                    'are wrong, was [%, %) and %', from_time, to_time, quote_nullable(why)
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
            PERFORM pg_advisory_xact_lock(
                hashtextextended('candlewick series candle_1m ' || instrument, 0));
            SELECT array_agg(c.open_time ORDER BY c.open_time),
                range_agg(tstzrange(c.open_time, c.open_time + interval '1 minute'))
            INTO minutes, absent
            FROM market.candle_1m AS c
            WHERE c.instrument_id = instrument AND c.open_time >= from_time
                AND c.open_time < to_time;
            IF minutes IS NULL THEN
                RETURN 0;
            END IF;
            INSERT INTO ledger.load (
                dataset, source, run_id, span_start, span_end, rows_in, rows_inserted,
                rows_updated, rows_unchanged, rows_quarantined, observed_at
            )
            VALUES (
                'candle_1m', 'withdrawal', withdraw_candles.run_id, from_time, to_time,
                0, 0, 0, 0, 0, clock_timestamp()
            )
            RETURNING load_id INTO receipt;
            PERFORM market.remove_candles(
                '1m', array_fill(instrument, ARRAY[cardinality(minutes)]), minutes, receipt);
            INSERT INTO ledger.gap (
                dataset, instrument_id, span_start, span_end, reason, attempts, proof
            )
            SELECT 'candle_1m', instrument, lower(part), upper(part), withdraw_candles.reason, 0,
                jsonb_build_object('withdrawn_by', receipt, 'why', why)
            FROM unnest(absent) AS part;
            IF NOT ledger.is_explained(withdraw_candles.reason) THEN
                UPDATE ledger.coverage AS c SET covered = c.covered - absent
                WHERE c.dataset = 'candle_1m' AND c.instrument_id = instrument;
            END IF;
            RETURN cardinality(minutes);
        END
        $$
    """)
    comment(
        "FUNCTION",
        WITHDRAW,
        "Takes back the minutes of an instrument with open time in [from_time, to_time) that "
        "should never have been stored, and returns how many. They are kept as revisions; the gap "
        "they leave has the given reason, and is asked for again where that explains nothing. "
        "Coarser candles follow, and those without any child left go away.",
    )
