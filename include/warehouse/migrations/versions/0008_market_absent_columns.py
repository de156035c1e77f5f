"""Columns of candles that not every source states may be null."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment

revision = "0008"
down_revision = "0007"

TABLES = ("candle_1m", "candle_5m", "candle_30m", "candle_4h", "candle_revision")
MEANING = {
    "quote_volume": "Quantity traded, in quote units",
    "taker_buy_volume": "Quantity bought by takers, in base units",
    "taker_buy_quote_volume": "Quantity bought by takers, in quote units",
    "trade_count": "Number of trades",
}
UNSTATED = "null where the source never states it"
LACKING = "null where one of the finer candles lacks it"
WAYS = "Way it came: rest, archive, file, ccxt, stream, cascade."
FORMER_WAYS = "Way it came: rest, archive, stream, cascade."


def upgrade() -> None:
    # The range checks stay as they are: they hold for null, and still for no NaN or infinity.
    for table in TABLES:
        _alter_columns(table, "DROP NOT NULL")
        absence = UNSTATED if table in ("candle_1m", "candle_revision") else LACKING
        for column, meaning in MEANING.items():
            comment("COLUMN", f"market.{table}.{column}", f"{meaning}; {absence}.")
        comment("COLUMN", f"market.{table}.source", WAYS)
    comment("COLUMN", "ledger.load.source", WAYS.replace("it came", "they came"))
    comment("COLUMN", "ledger.landing.source", WAYS.replace(", cascade", ""))


def downgrade() -> None:
    # Refused by the database while a null is stored: nothing true could take its place.
    for table in TABLES:
        _alter_columns(table, "SET NOT NULL")
        for column, meaning in MEANING.items():
            comment("COLUMN", f"market.{table}.{column}", f"{meaning}.")
        comment("COLUMN", f"market.{table}.source", FORMER_WAYS)
    comment("COLUMN", "ledger.load.source", FORMER_WAYS.replace("it came", "they came"))
    comment("COLUMN", "ledger.landing.source", FORMER_WAYS.replace(", cascade", ""))


def _alter_columns(table: str, action: str) -> None:
    # On a partitioned table this reaches every month there is; later months copy the parent.
    changes = ", ".join(f"ALTER COLUMN {column} {action}" for column in MEANING)
    op.execute(f"ALTER TABLE market.{table} {changes}")
