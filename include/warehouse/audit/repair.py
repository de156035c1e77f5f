"""Fills in what to do about a finding: the commands, with the days and instruments meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from include.market.timeframe import CASCADE, Timeframe
from include.warehouse.audit.checks import REFETCH, ROLL_UP, Check
from include.warehouse.audit.leaf import Leaf

_SOURCES: Final = {target: source for source, target in CASCADE}
_BY_HAND: Final = "set them right as the owner (make psql)"
_UNKNOWN: Final = datetime(1970, 1, 1, tzinfo=UTC)


def repair_text(
    check: Check,
    leaf: Leaf | None,
    instrument_id: int | None,
    span_start: datetime | None,
    span_end: datetime | None,
) -> str:
    """Return the repair of ``check`` for rows of ``leaf`` within the span (half-open)."""
    timeframe = leaf.timeframe if leaf is not None else None
    start = (span_start or _UNKNOWN).astimezone(UTC)
    end = (span_end or start + timedelta(minutes=1)).astimezone(UTC)
    words = {
        "dataset": leaf.dataset if leaf is not None else "",
        "instrument_id": str(instrument_id),
        "span_start": _instant(start),
        "span_end": _instant(end),
        "first_day": f"{start:%Y-%m-%d}",
        "last_day": f"{end - timedelta(microseconds=1):%Y-%m-%d}",
        "month": f"{start:%Y-%m-01}",
        **_cascade_words(timeframe),
    }
    if timeframe is None:
        return check.mend_other.format(**words, mend=_BY_HAND)
    if timeframe in _SOURCES:
        return check.mend_coarse.format(**words, mend=ROLL_UP.format(**words))
    return check.mend.format(**words, mend=REFETCH.format(**words))


def _cascade_words(target: Timeframe | None) -> dict[str, str]:
    if target is None or target not in _SOURCES:
        return {"source": "", "name": ""}
    return {"source": _SOURCES[target].dataset, "name": target.name}


def _instant(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
