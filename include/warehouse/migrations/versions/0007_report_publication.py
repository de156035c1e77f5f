"""Publications: which message went out, once per event."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("CREATE SCHEMA report")
    comment("SCHEMA", "report", "What was told to people.")
    op.execute("""
        CREATE TABLE report.publication (
            publication_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event_key text NOT NULL UNIQUE
                CONSTRAINT publication_event_key CHECK (length(event_key) BETWEEN 1 AND 300),
            kind text NOT NULL,
            title text NOT NULL,
            target text CONSTRAINT publication_target CHECK (target IN ('discord', 'outbox')),
            path text,
            state text NOT NULL DEFAULT 'pending'
                CONSTRAINT publication_state CHECK (state IN ('pending', 'sent', 'failed')),
            attempts integer NOT NULL DEFAULT 1
                CONSTRAINT publication_attempts CHECK (attempts >= 1),
            created_at timestamptz NOT NULL DEFAULT now(),
            claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            sent_at timestamptz,
            CONSTRAINT publication_sent_somewhere CHECK (
                (state = 'sent') = (sent_at IS NOT NULL)
                AND (state <> 'sent' OR target IS NOT NULL)
            )
        )
    """)
    op.execute("""
        CREATE INDEX publication_unsent ON report.publication (created_at) WHERE state <> 'sent'
    """)
    comment_table(
        "report.publication",
        "Messages by the event they tell of; an event is told once.",
        {
            "publication_id": "Identity.",
            "event_key": "Names the event; a second message for it is not sent.",
            "kind": "What it is: river_summary, failure, channel_chart.",
            "title": "First line for people.",
            "target": "Where it went: discord or outbox; null before it is sent.",
            "path": "Where its file lies, when it has one.",
            "state": "pending while a sender works on it, then sent or failed.",
            "attempts": "How often a sender took it up.",
            "created_at": "When the event was first told of, UTC.",
            "claimed_at": "When a sender last took it up, UTC.",
            "sent_at": "When it went out, UTC.",
        },
    )


def downgrade() -> None:
    op.execute("DROP TABLE report.publication")
    op.execute("DROP SCHEMA report")
