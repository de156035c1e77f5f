"""Trades, funding rates and session returns."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment_table

revision = "0005"
down_revision = "0004"

PRICE_RANGE = "BETWEEN float8 '1e-12' AND float8 '1e12'"
VOLUME_RANGE = "BETWEEN float8 '0' AND float8 '1e18'"
OURS = ">= '2000-01-01 00:00:00+00' AND {0} < '2100-01-01 00:00:00+00'"


def upgrade() -> None:
    _create_trade()
    _create_funding_rate()
    _create_session_return()


def downgrade() -> None:
    for table in ("session_return", "funding_rate", "trade"):
        op.execute(f"DROP TABLE market.{table}")


def _create_trade() -> None:
    op.execute(f"""
        CREATE TABLE market.trade (
            instrument_id integer NOT NULL REFERENCES market.instrument,
            trade_time timestamptz NOT NULL
                CONSTRAINT trade_in_our_time CHECK (trade_time {OURS.format("trade_time")}),
            trade_id bigint NOT NULL CONSTRAINT trade_id_counts CHECK (trade_id >= 0),
            price double precision NOT NULL
                CONSTRAINT trade_price_range CHECK (price {PRICE_RANGE}),
            quantity double precision NOT NULL
                CONSTRAINT trade_quantity_range CHECK (quantity {VOLUME_RANGE}),
            buyer_is_maker boolean NOT NULL,
            source text NOT NULL,
            load_id bigint NOT NULL REFERENCES ledger.load,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (instrument_id, trade_time, trade_id)
        ) PARTITION BY RANGE (trade_time)
    """)
    comment_table(
        "market.trade",
        "Trades as the venue reports them; by month of trade_time.",
        {
            "instrument_id": "What was traded.",
            "trade_time": "When, UTC.",
            "trade_id": "Number the venue gave it, unique per instrument.",
            "price": "Price, in quote units.",
            "quantity": "Quantity, in base units.",
            "buyer_is_maker": "Whether the buyer's order was the resting one.",
            "source": "Way it came: rest, archive, stream.",
            "load_id": "The load that wrote it.",
            "recorded_at": "When it was stored, UTC.",
        },
    )


def _create_funding_rate() -> None:
    op.execute(f"""
        CREATE TABLE market.funding_rate (
            instrument_id integer NOT NULL REFERENCES market.instrument,
            funding_time timestamptz NOT NULL
                CONSTRAINT funding_in_our_time CHECK (funding_time {OURS.format("funding_time")}),
            rate double precision NOT NULL
                CONSTRAINT funding_rate_range CHECK (rate BETWEEN float8 '-1' AND float8 '1'),
            mark_price double precision
                CONSTRAINT funding_mark_price_range CHECK (mark_price {PRICE_RANGE}),
            source text NOT NULL,
            revision integer NOT NULL DEFAULT 1
                CONSTRAINT funding_revision_counts CHECK (revision >= 1),
            load_id bigint NOT NULL REFERENCES ledger.load,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (instrument_id, funding_time)
        )
    """)
    comment_table(
        "market.funding_rate",
        "Funding settled between longs and shorts of a perpetual.",
        {
            "instrument_id": "The perpetual.",
            "funding_time": "When it was settled, UTC.",
            "rate": "Share of the position paid by longs to shorts, 0.0001 is one basis point.",
            "mark_price": "Mark price of the settlement, in quote units; null when not stated.",
            "source": "Way it came: rest, archive.",
            "revision": "1 when first stored, one more each time its values changed.",
            "load_id": "The load that wrote it.",
            "recorded_at": "When this revision was stored, UTC.",
        },
    )


def _create_session_return() -> None:
    op.execute(f"""
        CREATE TABLE market.session_return (
            instrument_id integer NOT NULL REFERENCES market.instrument,
            session_id bigint NOT NULL REFERENCES market.session,
            open_price double precision NOT NULL
                CONSTRAINT return_open_range CHECK (open_price {PRICE_RANGE}),
            close_price double precision NOT NULL
                CONSTRAINT return_close_range CHECK (close_price {PRICE_RANGE}),
            log_return double precision NOT NULL
                CONSTRAINT return_range CHECK (log_return BETWEEN float8 '-60' AND float8 '60'),
            candles_present integer NOT NULL,
            candles_expected integer NOT NULL,
            load_id bigint NOT NULL REFERENCES ledger.load,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (instrument_id, session_id),
            CONSTRAINT return_candles CHECK (
                candles_present BETWEEN 1 AND candles_expected AND candles_expected <= 100000
            )
        )
    """)
    op.execute("CREATE INDEX session_return_session ON market.session_return (session_id)")
    comment_table(
        "market.session_return",
        "What an instrument gained over one trading session.",
        {
            "instrument_id": "The instrument.",
            "session_id": "The session.",
            "open_price": "Open of its first candle, in quote units.",
            "close_price": "Close of its last candle, in quote units.",
            "log_return": "Natural logarithm of close_price / open_price.",
            "candles_present": "1m candles it was computed from.",
            "candles_expected": "1m candles a full session has.",
            "load_id": "The load that wrote it.",
            "recorded_at": "When it was stored, UTC.",
        },
    )
