"""The way of a landed file: the landing, the verdict on it, the rows it lost to quarantine."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment_table

revision = "0003"
down_revision = "0002"

DATASET = r"CHECK (dataset ~ '^[a-z][a-z0-9_]{0,62}$')"
SHA256 = r"CHECK (payload_sha256 ~ '^[0-9a-f]{64}$')"


def upgrade() -> None:
    _create_landing()
    _create_verdict()
    _create_quarantine()


def downgrade() -> None:
    for table in ("quarantine", "verdict", "landing"):
        op.execute(f"DROP TABLE ledger.{table}")


def _create_landing() -> None:
    op.execute(f"""
        CREATE TABLE ledger.landing (
            landing_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            dataset text NOT NULL CONSTRAINT landing_dataset {DATASET},
            venue text NOT NULL,
            symbol text NOT NULL,
            timeframe text NOT NULL,
            span_start timestamptz NOT NULL,
            span_end timestamptz NOT NULL,
            path text NOT NULL UNIQUE,
            clean_path text,
            rows bigint NOT NULL CONSTRAINT landing_rows CHECK (rows >= 0),
            payload_sha256 text NOT NULL CONSTRAINT landing_payload_sha256 {SHA256},
            state text NOT NULL DEFAULT 'landed'
                CONSTRAINT landing_state CHECK (state IN ('landed', 'checked', 'loaded', 'held')),
            source text NOT NULL,
            run_id text NOT NULL,
            verdict jsonb,
            landed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            checked_at timestamptz,
            loaded_at timestamptz,
            load_id bigint REFERENCES ledger.load,
            CONSTRAINT landing_runs_forward CHECK (span_start < span_end),
            CONSTRAINT landing_state_is_told CHECK (
                (state IN ('landed')) = (checked_at IS NULL)
                AND (state = 'loaded') = (load_id IS NOT NULL)
                AND (load_id IS NULL) = (loaded_at IS NULL)
                AND (state NOT IN ('checked', 'loaded') OR clean_path IS NOT NULL)
            )
        )
    """)
    op.execute("""
        CREATE INDEX landing_waiting ON ledger.landing (state, landed_at, landing_id)
        WHERE state <> 'loaded'
    """)
    op.execute("CREATE INDEX landing_load ON ledger.landing (load_id)")
    op.execute("CREATE INDEX landing_run ON ledger.landing (run_id, venue, symbol)")
    comment_table(
        "ledger.landing",
        "The work list between fetch, check and load: one row per landed file.",
        {
            "landing_id": "Identity.",
            "dataset": "Table the file is meant for.",
            "venue": "Venue it was read from.",
            "symbol": "Symbol asked for.",
            "timeframe": "Candle resolution, e.g. 1m.",
            "span_start": "First instant the file speaks for, UTC.",
            "span_end": "First instant after it, UTC.",
            "path": "Where the file lies: an fsspec URL.",
            "clean_path": "Where its accepted rows lie; null before the check.",
            "rows": "Rows landed; after the check, rows accepted.",
            "payload_sha256": "Hash of the landed content, hexadecimal; other content under the "
            "same path starts again at landed.",
            "state": "landed, checked, loaded, or held for a person to look at.",
            "source": "Way it came: rest, archive, stream.",
            "run_id": "The run that landed it.",
            "verdict": "Summary of the check; null before it.",
            "landed_at": "When this content was landed, UTC.",
            "checked_at": "When it was checked, UTC.",
            "loaded_at": "When it was loaded, UTC.",
            "load_id": "The load that stored it.",
        },
    )


def _create_verdict() -> None:
    op.execute(f"""
        CREATE TABLE ledger.verdict (
            verdict_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            landing_id bigint NOT NULL REFERENCES ledger.landing,
            payload_sha256 text NOT NULL CONSTRAINT verdict_payload_sha256 {SHA256},
            suite text NOT NULL,
            success boolean NOT NULL,
            rows bigint NOT NULL CONSTRAINT verdict_rows CHECK (rows >= 0),
            refused bigint NOT NULL CONSTRAINT verdict_refused CHECK (refused >= 0),
            results jsonb NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT verdict_one_per_content UNIQUE (landing_id, payload_sha256)
        )
    """)
    comment_table(
        "ledger.verdict",
        "What the quality gate said about one landed content.",
        {
            "verdict_id": "Identity.",
            "landing_id": "The landing that was checked.",
            "payload_sha256": "Its content at that time, hexadecimal.",
            "suite": "Name of the expectation suite.",
            "success": "Whether every expectation held.",
            "rows": "Rows accepted.",
            "refused": "Rows refused; each lies in ledger.quarantine.",
            "results": "Report of the expectations.",
            "recorded_at": "When it was given, UTC.",
        },
    )


def _create_quarantine() -> None:
    op.execute(f"""
        CREATE TABLE ledger.quarantine (
            quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            dataset text NOT NULL CONSTRAINT quarantine_dataset {DATASET},
            venue text,
            symbol text,
            open_time timestamptz,
            payload jsonb NOT NULL,
            rule text NOT NULL,
            detail text NOT NULL,
            load_id bigint REFERENCES ledger.load,
            landing_id bigint REFERENCES ledger.landing,
            verdict_id bigint REFERENCES ledger.verdict,
            recorded_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    for column in ("load_id", "landing_id", "verdict_id"):
        op.execute(f"CREATE INDEX quarantine_{column} ON ledger.quarantine ({column})")
    op.execute("CREATE INDEX quarantine_rule ON ledger.quarantine (dataset, rule, recorded_at)")
    comment_table(
        "ledger.quarantine",
        "Every row that was refused, whole, with the rule it broke.",
        {
            "quarantine_id": "Identity.",
            "dataset": "Table the row was meant for.",
            "venue": "Venue it came from.",
            "symbol": "Symbol it came under.",
            "open_time": "Its open time, UTC; null when it had none.",
            "payload": "The row as it came; text that is not JSON stands as a JSON string.",
            "rule": "The rule it broke, e.g. high_below_low, unknown_instrument, duplicate_key.",
            "detail": "The rule's finding, in words.",
            "load_id": "The load that refused it; null when the gate did.",
            "landing_id": "The landing it came in.",
            "verdict_id": "The verdict that refused it; null when the load did.",
            "recorded_at": "When it was refused, UTC.",
        },
    )
