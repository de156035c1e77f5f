"""Candles that another venue stated, news that was told once, runs of suites that are forgotten."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from include.warehouse.migrations.comments import comment

revision = "0025"
down_revision = "0024"

SOURCE = "second_venue"
# Worse than whatever the venue itself ever said, better than what nobody did.
RANK = 80
MEANING = (
    "What was mended or is wanting, added up: 1 moved onto the grid, 2 ends before its time, "
    "4 made up, 8 children are absent, 16 another venue stated it. 0 for most."
)
FORMER_MEANING = MEANING.replace(", 16 another venue stated it", "")
RELATIONS = ("candle", "candle_revision")
LOADER = "candlewick_loader"
PRUNED = "ledger.quality_run, ledger.quality_result"


def upgrade() -> None:
    op.execute(f"""
        INSERT INTO market.source (name, rank, is_synthetic, title) VALUES (
            '{SOURCE}', {RANK}, false,
            'Another venue that the operator named, where the own one has nothing left'
        )
    """)  # noqa: S608 - our own name
    # The venue states no candle with absent children; no sum of the other flags is impossible.
    _replace_rule("candle_1m", "flags >= 0 AND (flags & ~23) = 0")
    for table in (*_coarse_tables(), "candle_revision"):
        _replace_rule(table, "flags BETWEEN 0 AND 31")
    _say(MEANING)
    _note_origin()
    _note_what_was_told()
    _let_runs_be_forgotten()


def downgrade() -> None:
    op.execute("DROP INDEX ledger.quality_run_age")
    op.execute(f"REVOKE DELETE ON {PRUNED} FROM {LOADER}")
    _refer_to_run("")
    op.execute("DROP INDEX ledger.venue_outage_untold")
    for table in ("venue_outage", "schema_drift"):
        op.execute(f"ALTER TABLE ledger.{table} DROP COLUMN told_at")
    op.execute("ALTER TABLE ledger.landing DROP COLUMN origin")
    # Refused by the database while a candle of another venue is kept.
    _replace_rule("candle_1m", "flags BETWEEN 0 AND 7")
    for table in (*_coarse_tables(), "candle_revision"):
        _replace_rule(table, "flags BETWEEN 0 AND 15")
    _say(FORMER_MEANING)
    op.execute(f"DELETE FROM market.source WHERE name = '{SOURCE}'")  # noqa: S608 - our own name


def _coarse_tables() -> list[str]:
    rows = op.get_bind().execute(
        text("SELECT dataset FROM market.timeframe WHERE label <> '1m' ORDER BY length")
    )
    return [str(dataset) for (dataset,) in rows]


def _replace_rule(table: str, rule: str) -> None:
    op.execute(
        f"ALTER TABLE market.{table} DROP CONSTRAINT candle_flags, "
        f"ADD CONSTRAINT candle_flags CHECK ({rule})"
    )


def _say(meaning: str) -> None:
    for name in ("candle_1m", *_coarse_tables(), *RELATIONS):
        comment("COLUMN", f"market.{name}.flags", meaning)


def _note_origin() -> None:
    op.execute("ALTER TABLE ledger.landing ADD COLUMN origin text")
    comment(
        "COLUMN",
        "ledger.landing.origin",
        "Venue and symbol that stated the rows where those are not the landing's own, e.g. "
        "binance_usdm BTCUSDT; null for nearly all.",
    )


def _note_what_was_told() -> None:
    for table, thing in (("venue_outage", "the outage"), ("schema_drift", "the change")):
        # What is known by now is no news to anybody.
        op.execute(f"""
            ALTER TABLE ledger.{table} ADD COLUMN told_at timestamptz DEFAULT clock_timestamp()
        """)
        op.execute(f"ALTER TABLE ledger.{table} ALTER COLUMN told_at DROP DEFAULT")
        comment(
            "COLUMN",
            f"ledger.{table}.told_at",
            f"When somebody was told of {thing}, UTC; null until then.",
        )
    op.execute("""
        CREATE INDEX venue_outage_untold ON ledger.venue_outage (venue_id, span_start)
        WHERE told_at IS NULL AND withdrawn_at IS NULL
    """)


def _let_runs_be_forgotten() -> None:
    op.execute("CREATE INDEX quality_run_age ON ledger.quality_run (run_at)")
    _refer_to_run("ON DELETE CASCADE")
    op.execute(f"GRANT DELETE ON {PRUNED} TO {LOADER}")


def _refer_to_run(rule: str) -> None:
    op.execute(f"""
        ALTER TABLE ledger.quality_result
            DROP CONSTRAINT quality_result_quality_run_id_fkey,
            ADD CONSTRAINT quality_result_quality_run_id_fkey
                FOREIGN KEY (quality_run_id) REFERENCES ledger.quality_run {rule}
    """)
