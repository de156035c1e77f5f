"""Outages of venues, spans of live connections, and gaps that refer to them."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0018"
down_revision = "0017"

BEFORE = ("outage", "no_trade", "pre_listing", "delisted", "halted")
EXPLAINED = (*BEFORE, "unpublished")
TASKS = ("fetch_failed", "disconnected", "depth_exhausted", "unknown")
NAME = r"~ '^[^\s]{1,64}$'"


def upgrade() -> None:
    _create_venue_outage()
    _widen_gap()
    _create_connection()
    _create_unasked()


def downgrade() -> None:
    op.execute("DROP FUNCTION ledger.unasked(text, tstzrange)")
    op.execute("DROP TABLE ledger.connection")
    # What is covered must stay explained: the nearest word there was.
    op.execute("UPDATE ledger.gap SET reason = 'outage' WHERE reason = 'unpublished'")
    op.execute("DROP INDEX ledger.gap_unexplained, ledger.gap_due")
    op.execute("ALTER TABLE ledger.gap DROP COLUMN outage_id, DROP COLUMN given_up_at")
    _name_reasons(BEFORE)
    op.execute("DROP TABLE ledger.venue_outage")


def _create_venue_outage() -> None:
    op.execute("""
        CREATE TABLE ledger.venue_outage (
            outage_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            venue_id integer NOT NULL REFERENCES market.venue,
            span_start timestamptz NOT NULL,
            span_end timestamptz NOT NULL,
            source text NOT NULL CONSTRAINT outage_source
                CHECK (source IN ('calendar', 'operator', 'detected')),
            note text NOT NULL DEFAULT '',
            proof jsonb NOT NULL DEFAULT '{}',
            found_at timestamptz NOT NULL DEFAULT now(),
            withdrawn_at timestamptz,
            CONSTRAINT outage_runs_forward CHECK (
                span_start < span_end AND isfinite(span_start) AND isfinite(span_end)
            ),
            CONSTRAINT outage_written_once EXCLUDE USING gist (
                int4range(venue_id, venue_id, '[]') WITH =,
                tstzrange(span_start, span_end) WITH &&
            ) WHERE (withdrawn_at IS NULL)
        )
    """)
    comment_table(
        "ledger.venue_outage",
        "Spans in which a venue as a whole traded nothing or published nothing, each once; the "
        "gaps of its instruments refer to it. Those in force never overlap.",
        {
            "outage_id": "Identity.",
            "venue_id": "The venue that was silent.",
            "span_start": "First silent instant, UTC.",
            "span_end": "First instant after it, UTC.",
            "source": "calendar: a list of known outages; operator: written in Variable universe; "
            "detected: all instruments were silent together.",
            "note": "What is known of it, in words.",
            "proof": "What it rests on: how many instruments were silent, and where it was noted.",
            "found_at": "When it was first written down, UTC.",
            "withdrawn_at": "When trades inside it disproved it, UTC; null while it is believed.",
        },
    )


def _widen_gap() -> None:
    op.execute("""
        ALTER TABLE ledger.gap
            ADD COLUMN outage_id bigint CONSTRAINT gap_outage_id REFERENCES ledger.venue_outage,
            ADD COLUMN given_up_at timestamptz,
            ADD CONSTRAINT gap_outage_is_one CHECK (outage_id IS NULL OR reason = 'outage')
    """)
    op.execute("CREATE INDEX gap_of_outage ON ledger.gap (outage_id) WHERE outage_id IS NOT NULL")
    _name_reasons(EXPLAINED)
    tasks = ", ".join(f"'{reason}'" for reason in TASKS)
    op.execute(f"""
        CREATE INDEX gap_unexplained ON ledger.gap (dataset, instrument_id, span_start)
        WHERE closed_at IS NULL AND reason IN ({tasks})
    """)
    op.execute("""
        CREATE INDEX gap_due ON ledger.gap (dataset, next_attempt_at)
        WHERE closed_at IS NULL AND next_attempt_at IS NOT NULL
    """)
    comment("COLUMN", "ledger.gap.outage_id", "The outage of the venue that explains it, if any.")
    comment(
        "COLUMN",
        "ledger.gap.given_up_at",
        "When it had been looked for in vain too often to go on, UTC; null while it is looked for.",
    )


def _name_reasons(explained: tuple[str, ...]) -> None:
    facts, tasks = (", ".join(f"'{one}'" for one in names) for names in (explained, TASKS))
    op.execute(f"""
        ALTER TABLE ledger.gap DROP CONSTRAINT gap_reason,
            ADD CONSTRAINT gap_reason CHECK (reason IN ({facts}, {tasks}))
    """)
    op.execute(f"""
        CREATE OR REPLACE FUNCTION ledger.is_explained(reason text) RETURNS boolean
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN reason IN ({facts})
    """)
    comment(
        "COLUMN",
        "ledger.gap.reason",
        f"{', '.join(explained[:-1])} and {explained[-1]} explain the absence; "
        f"{', '.join(TASKS[:-1])} and {TASKS[-1]} do not.",
    )


def _create_connection() -> None:
    op.execute(f"""
        CREATE TABLE ledger.connection (
            connection_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            venue_id integer NOT NULL REFERENCES market.venue,
            stream text NOT NULL CONSTRAINT connection_stream CHECK (stream {NAME}),
            symbols text[] NOT NULL DEFAULT '{{}}',
            connected_at timestamptz NOT NULL,
            last_message_at timestamptz,
            disconnected_at timestamptz,
            reason text,
            CONSTRAINT connection_runs_forward CHECK (
                (last_message_at >= connected_at) IS NOT FALSE
                AND (disconnected_at >= connected_at) IS NOT FALSE
                AND (last_message_at <= disconnected_at) IS NOT FALSE
            )
        )
    """)
    op.execute("CREATE INDEX connection_of_venue ON ledger.connection (venue_id, connected_at)")
    comment_table(
        "ledger.connection",
        "Every live connection to a venue, from its first instant to its last message of data: a "
        "minute absent while none was alive is our loss and not the market's silence.",
        {
            "connection_id": "Identity.",
            "venue_id": "Whom it connected to.",
            "stream": "What was listened to, e.g. kline_1m.",
            "symbols": "The symbols listened to; empty for all that are followed.",
            "connected_at": "When it stood, UTC.",
            "last_message_at": "When the newest message of data came, UTC; heartbeats do not "
            "count. Null before the first.",
            "disconnected_at": "When it ended, UTC; null while it stands.",
            "reason": "Why it ended; null while it stands.",
        },
    )


def _create_unasked() -> None:
    op.execute("""
        CREATE FUNCTION ledger.unasked(dataset text, during tstzrange)
        RETURNS TABLE (instrument_id integer, span tstzrange)
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT i.instrument_id, rest.part
            FROM market.instrument AS i
            CROSS JOIN LATERAL unnest(
                market.expected_span(i.instrument_id, unasked.during)
                - coalesce((
                    SELECT c.covered FROM ledger.coverage AS c
                    WHERE c.dataset = unasked.dataset AND c.instrument_id = i.instrument_id
                ), '{}')
                - coalesce((
                    SELECT range_agg(tstzrange(g.span_start, g.span_end)) FROM ledger.gap AS g
                    WHERE g.dataset = unasked.dataset AND g.instrument_id = i.instrument_id
                        AND g.closed_at IS NULL
                        AND tstzrange(g.span_start, g.span_end) && unasked.during
                ), '{}')
            ) AS rest (part);
        END
    """)
    comment(
        "FUNCTION",
        "ledger.unasked(text, tstzrange)",
        "Spans within a span in which an instrument should have traded and of which nothing is "
        "known: neither covered nor written down as a gap. Nobody has asked for them, or what came "
        "was never loaded.",
    )
