"""Quarantined rows that wait for reference data; loads that speak for all of their span."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment

revision = "0012"
down_revision = "0011"

MEANING = {
    "state": "waiting for reference data that gives its names a meaning, released once a later "
    "load has taken it, or final.",
    "attempts": "How often a waiting row was looked at again.",
    "released_at": "When a later load took it, UTC; null before.",
    "released_load_id": "The load that took it; null before.",
}


STEPS = {"1m": "1 minute", "5m": "5 minutes", "30m": "30 minutes", "4h": "4 hours"}


def upgrade() -> None:
    _let_rows_wait()
    _mark_whole_loads()


def downgrade() -> None:
    op.execute("ALTER TABLE ledger.load DROP COLUMN confirms_span")
    op.execute("DROP INDEX ledger.quarantine_released")
    op.execute("DROP INDEX ledger.quarantine_waiting")
    op.execute("""
        ALTER TABLE ledger.quarantine
            DROP CONSTRAINT quarantine_state_is_told,
            DROP COLUMN released_load_id,
            DROP COLUMN released_at,
            DROP COLUMN attempts,
            DROP COLUMN state
    """)


def _mark_whole_loads() -> None:
    op.execute("ALTER TABLE ledger.load ADD COLUMN confirms_span boolean NOT NULL DEFAULT false")
    for label, step in STEPS.items():
        op.execute(f"""
            UPDATE ledger.load SET confirms_span = true
            WHERE dataset = 'candle_{label}'
                AND (rows_inserted + rows_updated + rows_unchanged) * interval '{step}'
                    = span_end - span_start
        """)  # noqa: S608 - our own labels
    comment(
        "COLUMN",
        "ledger.load.confirms_span",
        "Whether every candle of its span was accepted, new or equal to what was stored: then it "
        "stands behind the stored values as much as the loads that wrote them.",
    )


def _let_rows_wait() -> None:
    op.execute("""
        ALTER TABLE ledger.quarantine
            ADD COLUMN state text NOT NULL DEFAULT 'final'
                CONSTRAINT quarantine_state CHECK (state IN ('waiting', 'released', 'final')),
            ADD COLUMN attempts integer NOT NULL DEFAULT 0
                CONSTRAINT quarantine_attempts CHECK (attempts >= 0),
            ADD COLUMN released_at timestamptz,
            ADD COLUMN released_load_id bigint REFERENCES ledger.load,
            ADD CONSTRAINT quarantine_state_is_told CHECK (
                (state = 'released') = (released_at IS NOT NULL)
                AND (state = 'released') = (released_load_id IS NOT NULL)
            )
    """)
    # Rows refused before had nobody to come back for them; they are whole, so they can wait too.
    op.execute("""
        UPDATE ledger.quarantine SET state = 'waiting'
        WHERE rule = 'unknown_instrument' AND load_id IS NOT NULL
    """)
    op.execute("""
        CREATE INDEX quarantine_waiting ON ledger.quarantine (dataset, venue, symbol, load_id)
        WHERE state = 'waiting'
    """)
    op.execute("""
        CREATE INDEX quarantine_released ON ledger.quarantine (released_load_id)
        WHERE released_load_id IS NOT NULL
    """)
    for column, meaning in MEANING.items():
        comment("COLUMN", f"ledger.quarantine.{column}", meaning)
