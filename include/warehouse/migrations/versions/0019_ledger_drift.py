"""Verdicts on drift, and comparisons of one source with another."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment_table

revision = "0019"
down_revision = "0018"

TIMEFRAME = "CHECK (timeframe ~ '^[1-9][0-9]{0,3}[mhdwM]$')"
KIND = "CHECK (kind IN ('distribution', 'unit'))"
NAME = "CHECK ({column} ~ '^[a-z][a-z0-9_]{{0,62}}$')"
SHARE = "BETWEEN float8 '0' AND float8 '1'"
FINITE = "BETWEEN float8 '-1e300' AND float8 '1e300'"
DIFFERENCES = (
    "'missing_left', 'missing_right', 'unfinished_left', 'unfinished_right', 'unit', 'revised', "
    "'differs'"
)
SCHEMA_KINDS = "'added', 'removed', 'unit'"


def upgrade() -> None:
    _create_drift_verdict()
    _create_drift_episode()
    _create_reconciliation_run()
    _create_reconciliation()
    _replace_schema_drift_kinds(SCHEMA_KINDS)


def downgrade() -> None:
    op.execute("DELETE FROM ledger.schema_drift WHERE kind = 'unit'")
    _replace_schema_drift_kinds("'added', 'removed'")
    for table in ("reconciliation", "reconciliation_run", "drift_episode", "drift_verdict"):
        op.execute(f"DROP TABLE ledger.{table}")


def _replace_schema_drift_kinds(kinds: str) -> None:
    op.execute("ALTER TABLE ledger.schema_drift DROP CONSTRAINT schema_drift_kind")
    op.execute(
        "ALTER TABLE ledger.schema_drift "
        f"ADD CONSTRAINT schema_drift_kind CHECK (kind IN ({kinds}))"
    )


def _create_drift_verdict() -> None:
    op.execute(f"""
        CREATE TABLE ledger.drift_verdict (
            instrument_id integer NOT NULL REFERENCES market.instrument,
            timeframe text NOT NULL CONSTRAINT drift_verdict_timeframe {TIMEFRAME},
            kind text NOT NULL CONSTRAINT drift_verdict_kind {KIND},
            measure text NOT NULL CONSTRAINT drift_verdict_measure {NAME.format(column="measure")},
            window_start timestamptz NOT NULL,
            window_end timestamptz NOT NULL,
            reference_start timestamptz NOT NULL,
            candles integer NOT NULL CONSTRAINT drift_verdict_candles CHECK (candles >= 0),
            psi double precision CONSTRAINT drift_verdict_psi CHECK (psi {FINITE} AND psi >= 0),
            ks double precision CONSTRAINT drift_verdict_ks CHECK (ks {SHARE}),
            js double precision CONSTRAINT drift_verdict_js CHECK (js {SHARE}),
            shift double precision CONSTRAINT drift_verdict_shift CHECK (shift {FINITE}),
            p_value double precision CONSTRAINT drift_verdict_p_value CHECK (p_value {SHARE}),
            q_value double precision CONSTRAINT drift_verdict_q_value CHECK (q_value {SHARE}),
            tests integer NOT NULL CONSTRAINT drift_verdict_tests CHECK (tests >= 1),
            alarm boolean NOT NULL,
            changed_at timestamptz,
            detail text,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (instrument_id, timeframe, kind, measure, window_end),
            CONSTRAINT drift_verdict_runs_forward CHECK (
                reference_start <= window_start AND window_start < window_end
            ),
            CONSTRAINT drift_verdict_is_measured CHECK (
                kind = 'unit'
                OR num_nulls(psi, ks, js, shift, p_value, q_value) = 0
            )
        )
    """)
    op.execute("CREATE INDEX drift_verdict_window ON ledger.drift_verdict (window_end)")
    comment_table(
        "ledger.drift_verdict",
        "What was found of each series and window that was watched for drift, quiet ones included. "
        "include/quality/drift.py defines the distances and how they are judged.",
        {
            "instrument_id": "Whose candles.",
            "timeframe": "Of which length, e.g. 5m.",
            "kind": "distribution: values spread otherwise than before; unit: values are told in "
            "another unit or column.",
            "measure": "What of the candles, e.g. range; for units the fault, e.g. price_scale, or "
            "units where there was none.",
            "window_start": "First instant judged, UTC.",
            "window_end": "First instant after what was judged, UTC.",
            "reference_start": "First instant it was held against; the reference ends where the "
            "window begins, UTC.",
            "candles": "Candles in the window that state the measure.",
            "psi": "Population stability index against the reference; null for units.",
            "ks": "Kolmogorov-Smirnov distance; null for units.",
            "js": "Jensen-Shannon distance, base 2; null for units.",
            "shift": "Difference of means, in log size; null for units.",
            "p_value": "Chance of distances so large without drift; null for units.",
            "q_value": "The same adjusted for all tests of the run (Benjamini-Hochberg); null for "
            "units.",
            "tests": "Tests the run made.",
            "alarm": "Whether it counts as a drift.",
            "changed_at": "When the measure most likely changed, if it did, UTC.",
            "detail": "What is wrong, in words; null while there is no alarm.",
            "recorded_at": "When it was judged, UTC.",
        },
    )


def _create_drift_episode() -> None:
    op.execute(f"""
        CREATE TABLE ledger.drift_episode (
            episode_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            instrument_id integer NOT NULL REFERENCES market.instrument,
            timeframe text NOT NULL CONSTRAINT drift_episode_timeframe {TIMEFRAME},
            kind text NOT NULL CONSTRAINT drift_episode_kind {KIND},
            measure text NOT NULL CONSTRAINT drift_episode_measure {NAME.format(column="measure")},
            advice text NOT NULL
                CONSTRAINT drift_episode_advice CHECK (advice IN ('refit', 'decline')),
            began_at timestamptz NOT NULL,
            detail text NOT NULL,
            first_seen_at timestamptz NOT NULL,
            last_seen_at timestamptz NOT NULL,
            told_at timestamptz,
            accepted_at timestamptz,
            gone_at timestamptz,
            handed_to text[] NOT NULL DEFAULT '{{}}',
            CONSTRAINT drift_episode_runs_forward CHECK (first_seen_at <= last_seen_at)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX drift_episode_open ON ledger.drift_episode
            (instrument_id, timeframe, kind, measure) WHERE gone_at IS NULL
    """)
    op.execute("CREATE INDEX drift_episode_instrument ON ledger.drift_episode (instrument_id)")
    comment_table(
        "ledger.drift_episode",
        "Drifts from their first verdict to the last, each told once.",
        {
            "episode_id": "Identity.",
            "instrument_id": "Whose candles.",
            "timeframe": "Of which length; a drift of units, found in 1m candles, concerns all.",
            "kind": "distribution or unit.",
            "measure": "What drifted, as in ledger.drift_verdict.",
            "advice": "What models should do: refit, or decline to be published.",
            "began_at": "When it most likely began, UTC.",
            "detail": "What is wrong, in words.",
            "first_seen_at": "When it was first found, UTC.",
            "last_seen_at": "When it was last found, UTC.",
            "told_at": "When somebody was told of it, UTC.",
            "accepted_at": "When a person decided to live with it, UTC; models no longer mind it.",
            "gone_at": "When it was no longer found, UTC; null while it is there.",
            "handed_to": "Stages of modelling that have taken notice.",
        },
    )


def _create_reconciliation_run() -> None:
    op.execute(f"""
        CREATE TABLE ledger.reconciliation_run (
            instrument_id integer NOT NULL REFERENCES market.instrument,
            timeframe text NOT NULL CONSTRAINT reconciliation_run_timeframe {TIMEFRAME},
            span_start timestamptz NOT NULL,
            span_end timestamptz NOT NULL,
            left_source text NOT NULL
                CONSTRAINT reconciliation_run_left {NAME.format(column="left_source")},
            right_source text NOT NULL
                CONSTRAINT reconciliation_run_right {NAME.format(column="right_source")},
            compared integer NOT NULL,
            equal integer NOT NULL,
            rounding integer NOT NULL,
            incomplete integer NOT NULL,
            differing integer NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (
                instrument_id, timeframe, span_start, span_end, left_source, right_source
            ),
            CONSTRAINT reconciliation_run_runs_forward CHECK (span_start < span_end),
            CONSTRAINT reconciliation_run_counts CHECK (
                least(compared, equal, rounding, incomplete, differing) >= 0 AND equal <= compared
            )
        )
    """)
    op.execute("CREATE INDEX reconciliation_run_span ON ledger.reconciliation_run (span_start)")
    comment_table(
        "ledger.reconciliation_run",
        "Which accounts of the same candles were held against each other, also where all agreed.",
        {
            "instrument_id": "Whose candles.",
            "timeframe": "Of which length.",
            "span_start": "First instant compared, UTC.",
            "span_end": "First instant after it, UTC.",
            "left_source": "One account: stored, archive, trades, stream.",
            "right_source": "The other: rest, or native for the venue's own coarse candles.",
            "compared": "Candles that stand in both.",
            "equal": "Those of them that are alike.",
            "rounding": "Those that differ by less than a millionth.",
            "incomplete": "Those of ours that lack children and so cannot be alike.",
            "differing": "All other differences, missing candles included; ledger.reconciliation "
            "holds them.",
            "recorded_at": "When they were compared, UTC.",
        },
    )


def _create_reconciliation() -> None:
    op.execute(f"""
        CREATE TABLE ledger.reconciliation (
            reconciliation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            instrument_id integer NOT NULL REFERENCES market.instrument,
            timeframe text NOT NULL CONSTRAINT reconciliation_timeframe {TIMEFRAME},
            open_time timestamptz NOT NULL,
            left_source text NOT NULL
                CONSTRAINT reconciliation_left {NAME.format(column="left_source")},
            right_source text NOT NULL
                CONSTRAINT reconciliation_right {NAME.format(column="right_source")},
            kind text NOT NULL CONSTRAINT reconciliation_kind CHECK (kind IN ({DIFFERENCES})),
            columns text[] NOT NULL,
            left_values jsonb,
            right_values jsonb,
            first_seen_at timestamptz NOT NULL,
            last_seen_at timestamptz NOT NULL,
            told_at timestamptz,
            gone_at timestamptz,
            CONSTRAINT reconciliation_has_a_side CHECK (num_nonnulls(left_values, right_values) > 0)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX reconciliation_open ON ledger.reconciliation
            (instrument_id, timeframe, open_time, left_source, right_source)
        WHERE gone_at IS NULL
    """)
    op.execute("CREATE INDEX reconciliation_seen ON ledger.reconciliation (first_seen_at)")
    op.execute("CREATE INDEX reconciliation_instrument ON ledger.reconciliation (instrument_id)")
    comment_table(
        "ledger.reconciliation",
        "Candles that two accounts tell differently, both values kept, each told once.",
        {
            "reconciliation_id": "Identity.",
            "instrument_id": "Whose candle.",
            "timeframe": "Of which length.",
            "open_time": "First instant of the candle, UTC.",
            "left_source": "One account: stored, archive, trades, stream.",
            "right_source": "The other: rest, or native for the venue's own coarse candles.",
            "kind": "missing_… on that side; unfinished_…: that side is an earlier state of the "
            "same candle; unit: one constant ratio; revised: the source said otherwise before; "
            "differs.",
            "columns": "Columns that differ.",
            "left_values": "The one account; null where it has no such candle.",
            "right_values": "The other.",
            "first_seen_at": "When it was first found, UTC.",
            "last_seen_at": "When it was last found, UTC.",
            "told_at": "When somebody was told of it, UTC.",
            "gone_at": "When the two were found to agree, UTC; null until then.",
        },
    )
