"""Asset URIs: one per warehouse table, made in one place."""

from __future__ import annotations

from airflow.sdk import Asset

from include.market.timeframe import Timeframe


def table(schema: str, name: str) -> Asset:
    """Return the asset of the warehouse table ``schema.name``."""
    return Asset(name=f"{schema}.{name}", uri=f"postgres://warehouse/candlewick/{schema}/{name}")


def candles(timeframe: Timeframe) -> Asset:
    """Return the asset of the candle table at one resolution."""
    return table("market", timeframe.dataset)


def channels(timeframe: Timeframe) -> Asset:
    """Return the asset of the channels of one resolution, part of the table ``model.channel``."""
    return table("model", f"channel_{timeframe.name}")


INSTRUMENT = table("market", "instrument")
LANDING = table("ledger", "landing")
VERDICT = table("ledger", "verdict")
FEATURE = table("market", "feature")
SESSION_RETURN = table("market", "session_return")
PUBLICATION = table("report", "publication")
