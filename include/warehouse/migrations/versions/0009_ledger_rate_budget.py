"""Shared by all who ask a venue: its rate budget and bans, and what changed in its format."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0009"
down_revision = "0008"

ACQUIRE = (
    "ledger.acquire_weight(text, text, bigint, bigint, integer, double precision, bigint, bigint, "
    "timestamptz)"
)


def upgrade() -> None:
    _create_rate_budget()
    _create_acquire_weight()
    _create_schema_drift()


def downgrade() -> None:
    op.execute("DROP TABLE ledger.schema_drift")
    op.execute(f"DROP FUNCTION {ACQUIRE}")
    op.execute("DROP TABLE ledger.rate_budget")


def _create_rate_budget() -> None:
    # Half of each page stays free, so that the update of every request stays on its page.
    op.execute("""
        CREATE TABLE ledger.rate_budget (
            scope text NOT NULL
                CONSTRAINT rate_budget_scope CHECK (length(scope) BETWEEN 1 AND 100),
            egress text NOT NULL
                CONSTRAINT rate_budget_egress CHECK (length(egress) BETWEEN 1 AND 100),
            window_no bigint NOT NULL DEFAULT 0,
            used bigint NOT NULL DEFAULT 0 CONSTRAINT rate_budget_used CHECK (used >= 0),
            late bigint NOT NULL DEFAULT 0 CONSTRAINT rate_budget_late CHECK (late >= 0),
            paused_until timestamptz,
            banned_since timestamptz,
            banned_until timestamptz,
            ban_reason text CONSTRAINT rate_budget_ban_reason CHECK (length(ban_reason) <= 300),
            PRIMARY KEY (scope, egress),
            CONSTRAINT rate_budget_ban_is_whole CHECK (
                (banned_since IS NULL) = (banned_until IS NULL)
                AND (banned_until IS NULL) = (ban_reason IS NULL)
            )
        ) WITH (fillfactor = 50)
    """)
    comment_table(
        "ledger.rate_budget",
        "How much of each venue limit is used, and until when a venue must not be asked.",
        {
            "scope": "What the venue counts together, e.g. binance_spot.",
            "egress": "Name of the address the venue sees us under; limits and bans are per "
            "address.",
            "window_no": "Running window: seconds since the epoch divided by the window length.",
            "used": "Weight granted in the running window, or the venue's own higher count.",
            "late": "Part of it granted so late that the venue may count it in the next window.",
            "paused_until": "The venue asked all to be silent until then (HTTP 429), UTC.",
            "banned_since": "When the last ban began (HTTP 418), UTC; null if there never was one.",
            "banned_until": "When the last ban ends, UTC; until then nothing is asked.",
            "ban_reason": "What the venue answered to what.",
        },
    )


def _create_acquire_weight() -> None:
    # The same rules as include/market/rate_limit.py, which a test holds against it step by step.
    op.execute("""
        CREATE FUNCTION ledger.acquire_weight(
            in_scope text,
            in_egress text,
            weight bigint,
            allowed bigint,
            window_s integer,
            late_s double precision,
            venue_used bigint,
            venue_window bigint,
            at timestamptz,
            OUT ruling text,
            OUT wait_s double precision,
            OUT in_window bigint
        )
        LANGUAGE plpgsql
        AS $$
        DECLARE
            budget ledger.rate_budget;
            current_window bigint;
            ends_in_s double precision;
        BEGIN
            SELECT * INTO budget FROM ledger.rate_budget AS known
            WHERE known.scope = in_scope AND known.egress = in_egress
            FOR UPDATE;
            IF NOT FOUND THEN
                -- The empty update locks a row that somebody else created meanwhile.
                INSERT INTO ledger.rate_budget AS known (scope, egress)
                VALUES (in_scope, in_egress)
                ON CONFLICT (scope, egress) DO UPDATE SET scope = known.scope
                RETURNING known.* INTO budget;
            END IF;
            -- Read only now: the wait for the row may have been long.
            at = coalesce(at, clock_timestamp());
            IF budget.banned_until > at THEN
                ruling = 'banned';
                wait_s = extract(epoch FROM budget.banned_until - at);
                RETURN;
            END IF;
            IF budget.paused_until > at THEN
                ruling = 'paused';
                wait_s = extract(epoch FROM budget.paused_until - at);
                RETURN;
            END IF;
            current_window = floor(extract(epoch FROM at) / window_s);
            -- A clock set back by a moment stays in its window; set back for good, it starts anew.
            IF current_window NOT IN (budget.window_no, budget.window_no - 1) THEN
                budget.used =
                    CASE WHEN current_window = budget.window_no + 1 THEN budget.late ELSE 0 END;
                budget.late = 0;
                budget.window_no = current_window;
            END IF;
            in_window = budget.window_no;
            IF venue_window = in_window THEN
                budget.used = greatest(budget.used, venue_used);
            END IF;
            ends_in_s = (in_window + 1) * window_s - extract(epoch FROM at);
            IF budget.used + weight > allowed THEN
                ruling = 'full';
                wait_s = ends_in_s;
            ELSE
                ruling = 'granted';
                wait_s = 0;
                budget.used = budget.used + weight;
                IF ends_in_s <= late_s THEN
                    budget.late = budget.late + weight;
                END IF;
            END IF;
            UPDATE ledger.rate_budget AS known
            SET window_no = budget.window_no, used = budget.used, late = budget.late
            WHERE known.scope = in_scope AND known.egress = in_egress;
        END
        $$
    """)
    comment(
        "FUNCTION",
        ACQUIRE,
        "Counts a request's weight when it may go, or tells why not and how long to wait.",
    )


def _create_schema_drift() -> None:
    op.execute("""
        CREATE TABLE ledger.schema_drift (
            venue text NOT NULL,
            endpoint text NOT NULL,
            field text NOT NULL,
            kind text NOT NULL
                CONSTRAINT schema_drift_kind CHECK (kind IN ('added', 'removed')),
            first_seen_at timestamptz NOT NULL DEFAULT now(),
            last_seen_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (venue, endpoint, field, kind),
            CONSTRAINT schema_drift_lengths CHECK (
                length(venue) <= 100 AND length(endpoint) <= 200 AND length(field) <= 200
            ),
            CONSTRAINT schema_drift_runs_forward CHECK (first_seen_at <= last_seen_at)
        )
    """)
    comment_table(
        "ledger.schema_drift",
        "Fields that appeared in a venue's answers or vanished from them, each noted once.",
        {
            "venue": "Whose format changed.",
            "endpoint": "Which answer, e.g. /api/v3/klines.",
            "field": "Which field, in printable ASCII.",
            "kind": "added: it is ignored; removed: it was needed, so the answer was refused.",
            "first_seen_at": "When it was first noticed, UTC.",
            "last_seen_at": "When a process last noticed it for the first time, UTC.",
        },
    )
