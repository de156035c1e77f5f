"""Renames, redenominations, relistings, funding intervals and halts of instruments."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table
from include.warehouse.migrations.instrument_functions import (
    FUNDING,
    NAME,
    create_adjusted_candle,
    create_admission,
    create_expectation,
)

revision = "0014"
down_revision = "0013"

FACTOR = "BETWEEN 1e-12 AND 1e12"
# In the words of the venues. What is not here is taken to be trading, so that nothing absent is
# explained by a word nobody knows.
STATES = (
    ("pre_listing", "PRE_TRADING", "PENDING_TRADING"),
    ("halted", "HALT", "BREAK", "END_OF_DAY", "POST_TRADING", "AUCTION_MATCH"),
    ("halted", "PRE_SETTLE", "SETTLING"),
    ("delisted", "DELIVERING", "DELIVERED", "CLOSE", "UNLISTED", "DELISTED"),
)
FUNCTIONS = (
    "adjusted_candle(text, integer, tstzrange)",
    "expected_span(integer, tstzrange)",
    "known_absence(integer, tstzrange)",
    "trading_status(integer, timestamptz)",
    "admit_listed(text, text[])",
    "admissible(integer, text[])",
    "spell(text, text)",
)


def upgrade() -> None:
    _create_trading_state()
    _widen_reference()
    _create_listing()
    _create_corporate_action()
    create_admission()
    create_expectation()
    create_adjusted_candle()


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION market.{function}")
    for table in ("corporate_action", "listing", "trading_state"):
        op.execute(f"DROP TABLE market.{table}")
    op.execute("ALTER TABLE market.venue DROP COLUMN symbol_case")
    op.execute("ALTER TABLE market.instrument DROP COLUMN funding_interval_ms")
    op.execute(
        "ALTER TABLE market.instrument_history DROP COLUMN funding_interval_ms, "
        "DROP COLUMN seen_until"
    )


def _create_trading_state() -> None:
    op.execute(f"""
        CREATE TABLE market.trading_state (
            status text PRIMARY KEY CONSTRAINT state_status CHECK (status {NAME}),
            absence text NOT NULL CONSTRAINT state_absence
                CHECK (absence IN ('pre_listing', 'halted', 'delisted'))
        )
    """)
    rows = ", ".join(f"('{status}', '{absence}')" for absence, *found in STATES for status in found)
    op.execute(f"INSERT INTO market.trading_state (status, absence) VALUES {rows}")  # noqa: S608
    comment_table(
        "market.trading_state",
        "Statuses under which nothing trades; any other status is taken to be trading.",
        {
            "status": "In the words of the venue; UNLISTED and DELISTED are ours.",
            "absence": "Why candles are absent under it, a reason of ledger.gap.",
        },
    )


def _widen_reference() -> None:
    op.execute("""
        ALTER TABLE market.venue ADD COLUMN symbol_case text NOT NULL DEFAULT 'exact'
            CONSTRAINT venue_symbol_case CHECK (symbol_case IN ('exact', 'upper'))
    """)
    comment("COLUMN", "market.venue.symbol_case", "How it spells symbols: upper, or exact.")
    op.execute(f"""
        ALTER TABLE market.instrument ADD COLUMN funding_interval_ms integer
            CONSTRAINT instrument_funding CHECK (funding_interval_ms {FUNDING})
    """)
    op.execute(f"""
        ALTER TABLE market.instrument_history
            ADD COLUMN funding_interval_ms integer
                CONSTRAINT history_funding CHECK (funding_interval_ms {FUNDING}),
            ADD COLUMN seen_until timestamptz
                CONSTRAINT history_seen_until CHECK (seen_until > lower(valid_during))
    """)
    interval = "milliseconds between two funding payments; null where none are stated."
    comment("COLUMN", "market.instrument.funding_interval_ms", f"Newest {interval}")
    comment("COLUMN", "market.instrument_history.funding_interval_ms", interval.capitalize())
    comment(
        "COLUMN",
        "market.instrument_history.seen_until",
        "Newest observation that still showed a status under which nothing trades, UTC: a halt is "
        "proven from the start of valid_during to here. Null for other statuses.",
    )
    op.execute(r"""
        CREATE FUNCTION market.spell(symbol text, symbol_case text) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE symbol_case WHEN 'upper' THEN upper(symbol COLLATE "C") ELSE symbol END
    """)
    comment(
        "FUNCTION",
        "market.spell(text, text)",
        "A symbol as a venue with that symbol_case spells it; letters beyond A to Z stay.",
    )


def _create_listing() -> None:
    op.execute(f"""
        CREATE TABLE market.listing (
            venue_id integer NOT NULL REFERENCES market.venue,
            symbol text NOT NULL CONSTRAINT listing_symbol CHECK (symbol {NAME}),
            base_asset text NOT NULL,
            quote_asset text NOT NULL,
            kind text NOT NULL,
            status text NOT NULL,
            tick_size text NOT NULL,
            lot_size text NOT NULL,
            funding_interval_ms integer,
            listed_at timestamptz,
            delisted_at timestamptz,
            observed_at timestamptz NOT NULL,
            PRIMARY KEY (venue_id, symbol)
        )
    """)
    comment_table(
        "market.listing",
        "What the venues' reference data last stated of every symbol, followed or not, as sent: "
        "the proof by which market.admit_listed lets an instrument in.",
        {
            "venue_id": "The venue that lists it.",
            "symbol": "The symbol, as the venue writes it.",
            "base_asset": "Code of what is bought.",
            "quote_asset": "Code of what it is paid with.",
            "kind": "spot, perpetual, and so on.",
            "status": "Status in the words of the venue.",
            "tick_size": "Price step as sent; 0 when the venue states none.",
            "lot_size": "Quantity step as sent; 0 when the venue states none.",
            "funding_interval_ms": "Milliseconds between two funding payments; null where none "
            "are stated.",
            "listed_at": "First trading instant, UTC; null when the venue does not say.",
            "delisted_at": "End of trading, UTC; null while it is listed.",
            "observed_at": "When the venue first stated just this, UTC.",
        },
    )


def _create_corporate_action() -> None:
    op.execute(f"""
        CREATE TABLE market.corporate_action (
            action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            venue_id integer NOT NULL REFERENCES market.venue,
            instrument_id integer NOT NULL REFERENCES market.instrument,
            successor_id integer NOT NULL REFERENCES market.instrument,
            old_symbol text NOT NULL CONSTRAINT action_old_symbol CHECK (old_symbol {NAME}),
            new_symbol text NOT NULL CONSTRAINT action_new_symbol CHECK (new_symbol {NAME}),
            effective_at timestamptz NOT NULL
                CONSTRAINT action_effective_at CHECK (isfinite(effective_at)),
            factor numeric NOT NULL CONSTRAINT action_factor CHECK (factor {FACTOR}),
            base_asset_id integer REFERENCES market.asset,
            resumed_at timestamptz,
            recorded_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT action_happens_once UNIQUE (
                venue_id, old_symbol, new_symbol, effective_at
            )
        )
    """)
    for column in ("instrument_id", "successor_id", "base_asset_id"):
        op.execute(f"CREATE INDEX action_{column} ON market.corporate_action ({column})")
    comment_table(
        "market.corporate_action",
        "Renames and redenominations, as declared by whoever runs this. Either one instrument goes "
        "on under another symbol, or one instrument follows another.",
        {
            "action_id": "Identity.",
            "venue_id": "Where it happened.",
            "instrument_id": "What old_symbol meant before.",
            "successor_id": "What new_symbol means since; the same where the instrument goes on.",
            "old_symbol": "Symbol before; equal to new_symbol when only the unit changed.",
            "new_symbol": "Symbol since.",
            "effective_at": "First instant of the new symbol or unit, UTC.",
            "factor": "Old units in one new unit: prices of before times factor are in new units, "
            "and so are quantities divided by it.",
            "base_asset_id": "What is bought since; null until the venue has stated it.",
            "resumed_at": "First trading instant since, as the venue states, UTC; null until it "
            "has.",
            "recorded_at": "When this row was last written, UTC.",
        },
    )
