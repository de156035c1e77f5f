"""What the suites of Great Expectations found, run by run."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment_table

revision = "0016"
down_revision = "0015"

SEVERITY = "IN ('block', 'warn', 'info')"


def upgrade() -> None:
    _create_quality_run()
    _create_quality_result()


def downgrade() -> None:
    op.execute("DROP TABLE ledger.quality_result")
    op.execute("DROP TABLE ledger.quality_run")


def _create_quality_run() -> None:
    op.execute("""
        CREATE TABLE ledger.quality_run (
            quality_run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            checkpoint text NOT NULL,
            suite text NOT NULL,
            dataset text NOT NULL,
            batch text NOT NULL,
            span_start timestamptz,
            span_end timestamptz,
            rows bigint NOT NULL CONSTRAINT quality_run_rows CHECK (rows >= 0),
            expectations integer NOT NULL
                CONSTRAINT quality_run_expectations CHECK (expectations >= 0),
            failed_block integer NOT NULL,
            failed_warn integer NOT NULL,
            failed_info integer NOT NULL,
            success boolean NOT NULL,
            engine text NOT NULL,
            run_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT quality_run_span CHECK (span_start <= span_end),
            CONSTRAINT quality_run_failures CHECK (
                least(failed_block, failed_warn, failed_info) >= 0
                AND failed_block + failed_warn + failed_info <= expectations
            ),
            CONSTRAINT quality_run_success CHECK (success = (failed_block = 0)),
            CONSTRAINT quality_run_once UNIQUE (checkpoint, suite, dataset, batch, run_at)
        )
    """)
    op.execute("CREATE INDEX quality_run_newest ON ledger.quality_run (suite, run_at)")
    comment_table(
        "ledger.quality_run",
        "One run of one suite of Great Expectations over one batch.",
        {
            "quality_run_id": "Identity.",
            "checkpoint": "Checkpoint that ran it, or gate for what has landed.",
            "suite": "Suite of expectations, as committed in include/quality/gx.",
            "dataset": "What was judged, a table's name, e.g. candle_1m.",
            "batch": "Which rows of it, in words: landings, or instruments and a window.",
            "span_start": "First instant of the rows judged, UTC; null for rows without time.",
            "span_end": "First instant after them, UTC.",
            "rows": "Rows judged.",
            "expectations": "Expectations evaluated.",
            "failed_block": "Expectations of severity block that were not met.",
            "failed_warn": "Expectations of severity warn that were not met.",
            "failed_info": "Expectations of severity info that were not met.",
            "success": "Whether every expectation of severity block was met.",
            "engine": "Program and version that evaluated them.",
            "run_at": "When the run began, UTC.",
            "recorded_at": "When it was stored, UTC.",
        },
    )


def _create_quality_result() -> None:
    op.execute(f"""
        CREATE TABLE ledger.quality_result (
            quality_run_id bigint NOT NULL REFERENCES ledger.quality_run,
            place integer NOT NULL CONSTRAINT quality_result_place CHECK (place >= 0),
            expectation text NOT NULL,
            columns text[] NOT NULL,
            rule text NOT NULL,
            severity text NOT NULL CONSTRAINT quality_result_severity CHECK (severity {SEVERITY}),
            success boolean NOT NULL,
            unexpected_count bigint NOT NULL
                CONSTRAINT quality_result_count CHECK (unexpected_count >= 0),
            unexpected_percent double precision NOT NULL
                CONSTRAINT quality_result_percent CHECK (
                    unexpected_percent BETWEEN float8 '0' AND float8 '100'
                ),
            examples jsonb NOT NULL,
            PRIMARY KEY (quality_run_id, place)
        )
    """)
    op.execute("""
        CREATE INDEX quality_result_failed ON ledger.quality_result (rule, quality_run_id)
        WHERE NOT success
    """)
    comment_table(
        "ledger.quality_result",
        "What one expectation found in one run. Of runs over what has landed only expectations "
        "that were not met are kept: ledger.verdict has the others.",
        {
            "quality_run_id": "The run.",
            "place": "Place in the suite, counted from 0.",
            "expectation": "Kind of expectation, e.g. expect_candles_to_be_ordered.",
            "columns": "Columns it looks at.",
            "rule": "The rule it guards, e.g. ohlc_order.",
            "severity": "block, warn or info.",
            "success": "Whether it was met.",
            "unexpected_count": "Rows that were not as expected.",
            "unexpected_percent": "Their share of the rows judged, 0 to 100.",
            "examples": "The first few of them, as an array of objects.",
        },
    )
