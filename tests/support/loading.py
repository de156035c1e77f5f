"""Builders for tests of the generic loader: deliveries, trades, and a table made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Column, ForeignKey, Table
from sqlalchemy.dialects.postgresql import (
    BIGINT,
    DOUBLE_PRECISION,
    INTEGER,
    NUMERIC,
    TEXT,
    TIMESTAMP,
)

from include.warehouse.engine import Connection
from include.warehouse.rows import Delivery
from include.warehouse.tables import METADATA
from tests.support.warehouse import VENUE, moment

QUARANTINED = "SELECT rule, state, open_time FROM ledger.quarantine ORDER BY quarantine_id"


def delivery(source: str = "rest", **changes: Any) -> Delivery:
    """Return what is known of rows of our venue that were read at minute 1000."""
    known = {"source": source, "run_id": "r", "observed_at": moment(1000), "venue": VENUE.name}
    return Delivery(**(known | changes))


def times(minutes: Sequence[int]) -> list[datetime]:
    """Return the instants of some minutes after START."""
    return [moment(minute) for minute in minutes]


def trades(minutes: Sequence[int], *, symbol: str = "BTCUSDT", **changes: Any) -> pd.DataFrame:
    """Return one trade per minute, numbered by it."""
    columns = {
        "symbol": symbol,
        "trade_time": pd.to_datetime(times(minutes), utc=True),
        "trade_id": list(minutes),
        "price": 100.0,
        "quantity": 1.0,
        "buyer_is_maker": True,
    }
    return pd.DataFrame(columns | changes)


def rates(minutes: Sequence[int], **changes: Any) -> pd.DataFrame:
    """Return one funding rate per minute; real ones are hours apart, which nobody checks."""
    columns: dict[str, Any] = {"funding_time": pd.to_datetime(times(minutes), utc=True)}
    return pd.DataFrame(columns | {"rate": 0.0001} | changes)


def create_open_interest(connection: Connection) -> Table:
    """Create a table of somebody's own, as a migration would, commit, and return what declares it.

    Removed from the declared tables by whoever asked for it.
    """
    connection.execute(
        """
        CREATE TABLE market.open_interest (
            instrument_id integer NOT NULL REFERENCES market.instrument,
            observed_time timestamptz NOT NULL,
            margin_asset_id integer REFERENCES market.asset,
            contracts double precision NOT NULL
                CONSTRAINT open_interest_range CHECK (contracts BETWEEN 0 AND float8 '1e18'),
            contracts_high double precision,
            holders bigint,
            tick numeric CONSTRAINT open_interest_tick CHECK (tick BETWEEN 0 AND 1e12),
            note text CONSTRAINT open_interest_note CHECK (length(note) < 20),
            source text NOT NULL,
            revision integer NOT NULL DEFAULT 1,
            load_id bigint NOT NULL REFERENCES ledger.load,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (instrument_id, observed_time)
        )
        """
    )
    connection.commit()
    return declare_open_interest()


def declare_open_interest() -> Table:
    """Return the declaration of that table: all there is to do beside the migration."""
    return Table(
        "open_interest",
        METADATA,
        Column(
            "instrument_id",
            INTEGER,
            ForeignKey("market.instrument.instrument_id"),
            primary_key=True,
        ),
        Column("observed_time", TIMESTAMP(timezone=True), primary_key=True),
        Column("margin_asset_id", INTEGER, ForeignKey("market.asset.asset_id")),
        Column("contracts", DOUBLE_PRECISION, nullable=False),
        Column("contracts_high", DOUBLE_PRECISION, info={"merge": "greatest"}),
        Column("holders", BIGINT, info={"merge": "known"}),
        Column("tick", NUMERIC),
        Column("note", TEXT, info={"merge": "keep"}),
        Column("source", TEXT, nullable=False),
        Column("revision", INTEGER, nullable=False, server_default="1"),
        Column("load_id", BIGINT, ForeignKey("ledger.load.load_id"), nullable=False),
        Column("recorded_at", TIMESTAMP(timezone=True), nullable=False),
        schema="market",
        info={"dated_by": "observed_time"},
    )
