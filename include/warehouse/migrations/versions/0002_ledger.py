"""The ledger: loads, changes with cursors, coverage, gaps and fences."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0002"
down_revision = "0001"

DATASET = r"CHECK (dataset ~ '^[a-z][a-z0-9_]{0,62}$')"
SHA256 = r"CHECK (payload_sha256 ~ '^[0-9a-f]{64}$')"
REASONS = (
    "'outage', 'no_trade', 'pre_listing', 'delisted', 'halted', 'fetch_failed', 'disconnected', "
    "'depth_exhausted', 'unknown'"
)


def upgrade() -> None:
    comment("SCHEMA", "ledger", "What was loaded, what changed, what is missing, what to do next.")
    comment_table(
        "ledger.schema_version",
        "The migration this database stands at; kept by Alembic.",
        {"version_num": "Id of the last migration that ran."},
    )
    _create_load()
    _create_change_and_cursor()
    _create_coverage()
    _create_gap()
    _create_fence()


def downgrade() -> None:
    for table in (
        "fence",
        "gap",
        "coverage",
        "cursor",
        "change",
        "load",
    ):
        op.execute(f"DROP TABLE ledger.{table}")
    op.execute("DROP FUNCTION ledger.is_explained(text)")


def _create_load() -> None:
    op.execute(f"""
        CREATE TABLE ledger.load (
            load_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            dataset text NOT NULL CONSTRAINT load_dataset {DATASET},
            venue text,
            symbol text,
            source text NOT NULL,
            run_id text NOT NULL,
            span_start timestamptz NOT NULL,
            span_end timestamptz NOT NULL,
            rows_in bigint NOT NULL,
            rows_inserted bigint NOT NULL CHECK (rows_inserted >= 0),
            rows_updated bigint NOT NULL CHECK (rows_updated >= 0),
            rows_unchanged bigint NOT NULL CHECK (rows_unchanged >= 0),
            rows_quarantined bigint NOT NULL CHECK (rows_quarantined >= 0),
            payload_sha256 text CONSTRAINT load_payload_sha256 {SHA256},
            fencing_token bigint,
            observed_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT load_runs_forward CHECK (span_start <= span_end),
            CONSTRAINT load_counts_every_row CHECK (
                rows_in = rows_inserted + rows_updated + rows_unchanged + rows_quarantined
            )
        )
    """)
    op.execute("CREATE INDEX load_by_dataset ON ledger.load (dataset, recorded_at)")
    op.execute("CREATE INDEX load_by_symbol ON ledger.load (dataset, venue, symbol, observed_at)")
    comment_table(
        "ledger.load",
        "The receipt of one load, written in the transaction that stored its rows.",
        {
            "load_id": "Identity; every stored row names the load that wrote it.",
            "dataset": "Table loaded, e.g. candle_1m.",
            "venue": "Venue the rows came from; null for rows we computed.",
            "symbol": "Symbol the rows came under; null for rows we computed.",
            "source": "Way they came: rest, archive, stream, cascade.",
            "run_id": "The run that loaded them.",
            "span_start": "First instant the load speaks for, UTC.",
            "span_end": "First instant after it, UTC.",
            "rows_in": "Rows handed in; always the sum of the four counts that follow.",
            "rows_inserted": "Rows that were new.",
            "rows_updated": "Rows that replaced a stored row with other values.",
            "rows_unchanged": "Rows equal to what was stored, or to a later row of the batch.",
            "rows_quarantined": "Rows not stored; each lies in ledger.quarantine.",
            "payload_sha256": "Hash of the landed file, hexadecimal.",
            "fencing_token": "Token of the try that loaded it.",
            "observed_at": "When the rows were read from their source, UTC; of two values for one "
            "candle the later observation wins, whatever order they are loaded in.",
            "recorded_at": "When the rows were stored, UTC; taken once the writer had its locks.",
        },
    )


def _create_change_and_cursor() -> None:
    op.execute(f"""
        CREATE TABLE ledger.change (
            change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            dataset text NOT NULL CONSTRAINT change_dataset {DATASET},
            instrument_id integer NOT NULL REFERENCES market.instrument,
            span_start timestamptz NOT NULL,
            span_end timestamptz NOT NULL,
            reason text NOT NULL
                CONSTRAINT change_reason CHECK (reason IN ('new', 'revised', 'repaired')),
            load_id bigint NOT NULL REFERENCES ledger.load,
            xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT change_runs_forward CHECK (span_start < span_end)
        )
    """)
    op.execute("CREATE INDEX change_by_xid ON ledger.change (dataset, xid, change_id)")
    op.execute("CREATE INDEX change_load ON ledger.change (load_id)")
    comment_table(
        "ledger.change",
        "Which span of which dataset changed, and why: the work list of every later stage.",
        {
            "change_id": "Identity. Not a cursor: ids are given before they are visible.",
            "dataset": "Table that changed.",
            "instrument_id": "Whose rows changed.",
            "span_start": "Open time of the first changed row, UTC.",
            "span_end": "End of the last changed row, UTC.",
            "reason": "new, revised or repaired.",
            "load_id": "The load that changed it.",
            "xid": "Transaction that wrote it. A reader takes rows below the xmin of its snapshot: "
            "no transaction that could still commit has such an id.",
            "recorded_at": "When it was written, UTC.",
        },
    )
    op.execute("""
        CREATE TABLE ledger.cursor (
            stage text PRIMARY KEY,
            xid xid8 NOT NULL,
            moved_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    comment_table(
        "ledger.cursor",
        "How far each stage has worked through ledger.change.",
        {
            "stage": "The stage, e.g. cascade_5m.",
            "xid": "Every change of a transaction below this one is done.",
            "moved_at": "When the cursor last moved, UTC.",
        },
    )


def _create_coverage() -> None:
    op.execute(f"""
        CREATE TABLE ledger.coverage (
            dataset text NOT NULL CONSTRAINT coverage_dataset {DATASET},
            instrument_id integer NOT NULL REFERENCES market.instrument,
            covered tstzmultirange NOT NULL,
            PRIMARY KEY (dataset, instrument_id)
        )
    """)
    comment_table(
        "ledger.coverage",
        "What is proven loaded: spans whose every candle is stored or whose absence is explained.",
        {
            "dataset": "Table covered.",
            "instrument_id": "Whose rows.",
            "covered": "Union of the proven spans, half-open, UTC; it never shrinks.",
        },
    )


def _create_gap() -> None:
    op.execute("""
        CREATE FUNCTION ledger.is_explained(reason text) RETURNS boolean
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN reason IN ('outage', 'no_trade', 'pre_listing', 'delisted', 'halted')
    """)
    comment(
        "FUNCTION",
        "ledger.is_explained(text)",
        "Tells whether a gap for this reason is a fact about the venue, not a task for us.",
    )
    op.execute(f"""
        CREATE TABLE ledger.gap (
            gap_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            dataset text NOT NULL CONSTRAINT gap_dataset {DATASET},
            instrument_id integer NOT NULL REFERENCES market.instrument,
            span_start timestamptz NOT NULL,
            span_end timestamptz NOT NULL,
            reason text NOT NULL CONSTRAINT gap_reason CHECK (reason IN ({REASONS})),
            attempts integer NOT NULL DEFAULT 1 CONSTRAINT gap_attempts CHECK (attempts >= 0),
            next_attempt_at timestamptz,
            proof jsonb NOT NULL DEFAULT '{{}}',
            found_at timestamptz NOT NULL DEFAULT now(),
            closed_at timestamptz,
            CONSTRAINT gap_runs_forward CHECK (span_start < span_end),
            CONSTRAINT gap_written_once EXCLUDE USING gist (
                market.textrange(dataset, dataset, '[]') WITH =,
                int4range(instrument_id, instrument_id, '[]') WITH =,
                tstzrange(span_start, span_end) WITH &&
            ) WHERE (closed_at IS NULL)
        )
    """)
    op.execute("""
        CREATE INDEX gap_open ON ledger.gap (dataset, instrument_id, span_start)
        WHERE closed_at IS NULL
    """)
    comment_table(
        "ledger.gap",
        "Every expected but absent span, with the reason. Open gaps of one series never overlap.",
        {
            "gap_id": "Identity; a gap that is cut in two gets new ones.",
            "dataset": "Table with the gap.",
            "instrument_id": "Whose rows are absent.",
            "span_start": "First absent instant, UTC.",
            "span_end": "First instant after it, UTC.",
            "reason": "outage, no_trade, pre_listing, delisted and halted explain the absence; "
            "fetch_failed, disconnected, depth_exhausted and unknown do not.",
            "attempts": "How often it was looked for in vain.",
            "next_attempt_at": "Not to be asked for again before this instant, UTC; null for now.",
            "proof": "What the reason rests on.",
            "found_at": "When it was first noticed, UTC.",
            "closed_at": "When its rows arrived, UTC; null while it is open.",
        },
    )


def _create_fence() -> None:
    op.execute("CREATE TABLE ledger.fence (scope text PRIMARY KEY, token bigint NOT NULL)")
    comment_table(
        "ledger.fence",
        "The newest try of each piece of work; an older try may no longer write.",
        {"scope": "The piece of work, e.g. landing/17.", "token": "Number of its newest try."},
    )
