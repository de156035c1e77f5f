"""Asset URIs: one per warehouse table, made in one place."""

from __future__ import annotations

from airflow.sdk import Asset

from include.market.timeframe import Timeframe


def table(schema: str, name: str) -> Asset:
    """Return the asset of the warehouse table ``schema.name``."""
    return Asset(name=f"{schema}.{name}", uri=f"postgres://warehouse/candlewick/{schema}/{name}")


def candles(timeframe: Timeframe) -> Asset:
    """Return the asset of the candle table at one resolution."""
    return table("market", f"candle_{timeframe.label}")


INSTRUMENT = table("market", "instrument")
LANDING = table("ledger", "landing")
VERDICT = table("ledger", "verdict")
CHANNEL = table("model", "channel")
PUBLICATION = table("report", "publication")
