"""Tunables of the river: the Variable ``settings``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

from include.market.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every tunable with its default; the Variable may override any of them by name."""

    landing_url: str = "file:///var/lib/candlewick/landing"
    """Where pages land as Parquet: any fsspec URL that all workers reach."""
    outbox_dir: str = "/var/lib/candlewick/outbox"
    """Where messages go as files while no Discord connection exists."""
    quality_dir: str = "/var/lib/candlewick/quality"
    """Where the page of data quality and Data Docs are drawn; the API server serves this folder."""
    quality_days: int = 1096
    """Days the page of data quality looks back."""
    clock_tolerance_ms: float = 1000.0
    """How far a venue's clock may certainly be from ours before somebody is told."""
    page_limit: int = 1000
    """Candles asked for in one request (the venue's own maximum is 1000)."""
    batch_days: int = 7
    """Days of one instrument landed as one Parquet file, the unit of checking and loading."""
    overlap_candles: int = 5
    """Closed candles read again by the incremental fetch to notice revisions."""
    request_deadline_s: float = 30.0
    """Total time one HTTP request may take, body included."""
    request_attempts: int = 5
    """Tries of one request before its task fails."""
    block_share: float = 0.05
    """Share of refused rows above which a whole batch is held back."""
    check_days: int = 3
    """Newest days of what is stored that the daily check holds against its suites."""
    drift_window_days: int = 3
    """Days judged together for drift, against windows as long in the reference before them."""
    drift_reference_days: int = 84
    """Days before a window that it is held against, as far as they are there (24 at least)."""
    drift_settle_hours: int = 4
    """Hours the newest day rests before it is judged: late rows are no drift."""
    drift_fdr: float = 0.05
    """Share of the drifts told that may be none, and of quiet runs that may tell of any."""
    reconcile_instruments: int = 20
    """Instruments of a venue compared in one run; the others follow on the next days."""
    reconcile_trade_minutes: int = 5
    """Minutes of an instrument's day built from single trades and compared."""
    segment_min_candles: int = 12
    """Shortest channel segment, in candles of its timeframe."""
    channel_history_candles: int = 1500
    """How many of the newest candles a channel is fitted on."""
    channel_fdr: float = 0.05
    """Share of the channels of a timeframe that are shown together and may be no better than their
    baselines."""
    fit_shard_instruments: int = 64
    """Instruments one task of a fit takes; more make more tasks."""
    model_details_days: int = 30
    """Days the segments of replaced fits are kept that were never shown; they can be made again."""
    feature_timeframes: list[str] = field(default_factory=list)
    """Timeframes features are derived of, e.g. ["5m", "1h"]; by default all above 1m, up to 1d."""
    retention_months: dict[str, int] = field(default_factory=dict)
    """Whole months kept of a table, e.g. {"trade": 12}; a table not named is kept for ever."""
    landing_days: int = 90
    """Days a landed file is kept after it was loaded; its row in the ledger stays."""
    quality_run_days: int = 730
    """Days the results of suites are kept; the newest of each stays."""


def parse_settings(text: str) -> Settings:
    """Read a JSON object of overrides.

    Raises:
        InvalidInputError: not a JSON object, an unknown key, or a value of the wrong type or sign.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"Variable settings is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidInputError(f"Variable settings must be a JSON object, was {text[:80]!r}")
    known = {one.name: type(getattr(Settings(), one.name)) for one in fields(Settings)}
    return Settings(**{key: _checked(key, value, known) for key, value in document.items()})


def _checked(key: str, value: object, known: dict[str, type]) -> Any:
    if key not in known:
        raise InvalidInputError(
            f"Variable settings has unknown key {key!r}: choose from {', '.join(sorted(known))}"
        )
    expected = known[key]
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        raise InvalidInputError(
            f"Variable settings, {key}: expected {expected.__name__}, was {value!r}"
        )
    if isinstance(value, list) and not all(type(each) is str for each in value):
        raise InvalidInputError(f"Variable settings, {key}: expected texts, was {value!r}")
    if isinstance(value, dict):
        return {name: _checked_months(f"{key}.{name}", months) for name, months in value.items()}
    if isinstance(value, int | float) and value <= 0:
        raise InvalidInputError(f"Variable settings, {key}: must be above zero, was {value!r}")
    return value


def _checked_months(key: str, value: object) -> int:
    if type(value) is not int or value <= 0:
        raise InvalidInputError(
            f"Variable settings, {key}: expected a number of months above zero, was {value!r}"
        )
    return value
