"""Reference data: venues, assets, instruments with their history and aliases, sessions.

One (venue, symbol) may name several instruments over time, but never two at once. That takes an
exclusion constraint over scalars and a period, for which one would use the extension btree_gist;
the PostgreSQL we embed ships without it. Ranges have GiST support built in, so a scalar stands in
the constraint as the range that holds nothing but itself: ``int4range(id, id, '[]')``, and
``market.textrange(symbol, symbol, '[]')`` for text.
"""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0001"
down_revision = None

NAME = r"~ '^[^\s]{1,64}$'"


def upgrade() -> None:
    op.execute("CREATE SCHEMA market")
    op.execute('CREATE TYPE market.textrange AS RANGE (subtype = text, collation = "C")')
    comment("SCHEMA", "market", "Reference data and facts as the venues state them.")
    comment(
        "TYPE",
        "market.textrange",
        "A range of text; lets a single text stand in a GiST exclusion constraint.",
    )
    _create_venue_and_asset()
    _create_instrument()
    _create_instrument_history()
    _create_instrument_alias()
    _create_session()


def downgrade() -> None:
    for table in (
        "session",
        "instrument_alias",
        "instrument_history",
        "instrument",
        "asset",
        "venue",
    ):
        op.execute(f"DROP TABLE market.{table}")
    op.execute("DROP TYPE market.textrange")
    op.execute("DROP SCHEMA market")


def _create_venue_and_asset() -> None:
    op.execute(f"""
        CREATE TABLE market.venue (
            venue_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text NOT NULL UNIQUE CONSTRAINT venue_name CHECK (name {NAME}),
            title text NOT NULL,
            kind text NOT NULL CONSTRAINT venue_kind CHECK (kind {NAME}),
            session_calendar text NOT NULL
        )
    """)
    comment_table(
        "market.venue",
        "A trading venue, or one market of it.",
        {
            "venue_id": "Identity.",
            "name": "Natural key used in settings and paths, e.g. binance_spot.",
            "title": "Name for people.",
            "kind": "What is traded there: spot, perpetual.",
            "session_calendar": "Trading calendar; 24/7 has one session per UTC day.",
        },
    )
    op.execute(f"""
        CREATE TABLE market.asset (
            asset_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            code text NOT NULL UNIQUE CONSTRAINT asset_code CHECK (code {NAME})
        )
    """)
    comment_table(
        "market.asset",
        "A thing that is bought or paid with, by its code.",
        {"asset_id": "Identity.", "code": "Code as the venues write it, e.g. BTC."},
    )


def _create_instrument() -> None:
    op.execute(f"""
        CREATE TABLE market.instrument (
            instrument_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            venue_id integer NOT NULL REFERENCES market.venue,
            symbol text NOT NULL CONSTRAINT instrument_symbol CHECK (symbol {NAME}),
            base_asset_id integer NOT NULL REFERENCES market.asset,
            quote_asset_id integer NOT NULL REFERENCES market.asset,
            kind text NOT NULL CONSTRAINT instrument_kind CHECK (kind {NAME}),
            status text NOT NULL CONSTRAINT instrument_status CHECK (status {NAME}),
            tick_size numeric NOT NULL
                CONSTRAINT instrument_tick_size CHECK (tick_size BETWEEN 0 AND 1e12),
            lot_size numeric NOT NULL
                CONSTRAINT instrument_lot_size CHECK (lot_size BETWEEN 0 AND 1e18),
            listed_at timestamptz,
            delisted_at timestamptz,
            valid_during tstzrange NOT NULL
                CONSTRAINT instrument_valid_during CHECK (NOT isempty(valid_during)),
            recorded_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT instrument_one_per_symbol EXCLUDE USING gist (
                int4range(venue_id, venue_id, '[]') WITH =,
                market.textrange(symbol, symbol, '[]') WITH =,
                valid_during WITH &&
            )
        )
    """)
    op.execute("CREATE INDEX instrument_base_asset ON market.instrument (base_asset_id)")
    op.execute("CREATE INDEX instrument_quote_asset ON market.instrument (quote_asset_id)")
    comment_table(
        "market.instrument",
        "A tradable thing at one venue. Its identity is instrument_id, never the symbol, which "
        "may be renamed or given to another instrument later.",
        {
            "instrument_id": "Identity; every fact refers to it.",
            "venue_id": "Where it is traded.",
            "symbol": "Its newest symbol there; market.instrument_alias knows the earlier ones.",
            "base_asset_id": "What is bought.",
            "quote_asset_id": "What it is paid with.",
            "kind": "spot, perpetual, and so on.",
            "status": "Newest status in the words of the venue; DELISTED once it has gone.",
            "tick_size": "Newest price step, in quote units; 0 when the venue states none.",
            "lot_size": "Newest quantity step, in base units; 0 when the venue states none.",
            "listed_at": "First trading instant, UTC; null when the venue does not say.",
            "delisted_at": "End of trading, UTC; null while it is listed.",
            "valid_during": "When that newest symbol named it, half-open, UTC.",
            "recorded_at": "When this row was last written, UTC.",
        },
    )


def _create_instrument_history() -> None:
    op.execute(f"""
        CREATE TABLE market.instrument_history (
            history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            instrument_id integer NOT NULL REFERENCES market.instrument,
            valid_during tstzrange NOT NULL
                CONSTRAINT history_valid_during CHECK (NOT isempty(valid_during)),
            status text NOT NULL CONSTRAINT history_status CHECK (status {NAME}),
            tick_size numeric NOT NULL
                CONSTRAINT history_tick_size CHECK (tick_size BETWEEN 0 AND 1e12),
            lot_size numeric NOT NULL
                CONSTRAINT history_lot_size CHECK (lot_size BETWEEN 0 AND 1e18),
            CONSTRAINT history_one_version_at_a_time EXCLUDE USING gist (
                int4range(instrument_id, instrument_id, '[]') WITH =,
                valid_during WITH &&
            )
        )
    """)
    op.execute("CREATE INDEX history_instrument ON market.instrument_history (instrument_id)")
    comment_table(
        "market.instrument_history",
        "Every version of the changing attributes of an instrument, the newest one included "
        "(slowly changing dimension, type 2).",
        {
            "history_id": "Identity.",
            "instrument_id": "Whose attributes these are.",
            "valid_during": "From the observation that showed them to the one that showed others, "
            "half-open, UTC; without upper bound for the newest version.",
            "status": "Status in the words of the venue.",
            "tick_size": "Price step, in quote units.",
            "lot_size": "Quantity step, in base units.",
        },
    )


def _create_instrument_alias() -> None:
    op.execute(f"""
        CREATE TABLE market.instrument_alias (
            alias_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            instrument_id integer NOT NULL REFERENCES market.instrument,
            venue_id integer NOT NULL REFERENCES market.venue,
            symbol text NOT NULL CONSTRAINT alias_symbol CHECK (symbol {NAME}),
            valid_during tstzrange NOT NULL
                CONSTRAINT alias_valid_during CHECK (NOT isempty(valid_during)),
            CONSTRAINT alias_names_one_instrument EXCLUDE USING gist (
                int4range(venue_id, venue_id, '[]') WITH =,
                market.textrange(symbol, symbol, '[]') WITH =,
                valid_during WITH &&
            )
        )
    """)
    op.execute("CREATE INDEX alias_by_symbol ON market.instrument_alias (venue_id, symbol)")
    op.execute("CREATE INDEX alias_instrument ON market.instrument_alias (instrument_id)")
    comment_table(
        "market.instrument_alias",
        "Which instrument a symbol of a venue meant, and when. Rows are resolved through the "
        "alias valid at their own time.",
        {
            "alias_id": "Identity.",
            "instrument_id": "The instrument meant.",
            "venue_id": "The venue that uses the symbol.",
            "symbol": "The symbol, as the venue writes it.",
            "valid_during": "When it meant that instrument, half-open, UTC.",
        },
    )


def _create_session() -> None:
    op.execute("""
        CREATE TABLE market.session (
            session_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            venue_id integer NOT NULL REFERENCES market.venue,
            opens_at timestamptz NOT NULL,
            closes_at timestamptz NOT NULL,
            CONSTRAINT session_runs_forward CHECK (opens_at < closes_at),
            CONSTRAINT session_opens_once UNIQUE (venue_id, opens_at),
            CONSTRAINT session_no_overlap EXCLUDE USING gist (
                int4range(venue_id, venue_id, '[]') WITH =,
                tstzrange(opens_at, closes_at) WITH &&
            )
        )
    """)
    comment_table(
        "market.session",
        "Trading sessions; a venue that never closes has one per UTC day.",
        {
            "session_id": "Identity.",
            "venue_id": "Whose session.",
            "opens_at": "First instant, UTC.",
            "closes_at": "First instant after it, UTC.",
        },
    )
