"""Reads what the ledger has seen go wrong: rows refused, gaps, outages, checks, drift, disputes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from include.report.quality_lines import (
    CheckLine,
    ComparisonLine,
    DifferenceLine,
    DriftLine,
    OpenGapLine,
    OutageLine,
)
from include.report.timelines import DayCount
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement

MOST_LINES: Final = 50
"""Lines of a table of the page; what there is beyond them is counted."""
# Fields of the lines in the order of the statements' columns.
_GAP: Final = (
    "venue", "symbol", "start", "end", "reason", "looks", "found_at", "next_look_at", "given_up_at",
)  # fmt: skip
_OUTAGE: Final = ("venue", "start", "end", "source", "note", "instruments")
_CHECK: Final = (
    "checkpoint", "suite", "dataset", "rows", "expectations", "failed_block", "failed_warn",
    "failed_info", "success", "run_at",
)  # fmt: skip
_DRIFT: Final = (
    "venue", "symbol", "timeframe", "measure", "advice", "detail", "began_at", "found_at",
    "is_accepted",
)  # fmt: skip
_COMPARISON: Final = (
    "venue", "timeframe", "left", "right", "instruments", "compared", "equal", "rounding",
    "incomplete", "differing", "newest",
)  # fmt: skip
_DIFFERENCE: Final = (
    "venue", "symbol", "timeframe", "left", "right", "kind", "candles", "newest",
)  # fmt: skip


def count_refusals(connection: Connection, *, since: datetime, until: datetime) -> list[DayCount]:
    """Return the rows refused in [since, until) by UTC day of their arrival and rule.

    A row that waited for reference data and was taken since is no longer among them.
    """
    found = _read(connection, "report/count_refusals", {"since": since, "until": until})
    return [DayCount(day, rule, count) for day, rule, count in found]


def count_alarms(connection: Connection, *, since: datetime, until: datetime) -> list[DayCount]:
    """Return the drift alarms of windows that ended in [since, until), by UTC day and measure."""
    found = _read(connection, "report/count_alarms", {"since": since, "until": until})
    return [DayCount(day, measure, count) for day, measure, count in found]


def stored_since(connection: Connection, since: datetime) -> int:
    """Return how many 1m candles have been stored since an instant."""
    return int(fetch_value(connection, statement("report/loaded_since"), {"since": since}))


def is_on_the_way(connection: Connection) -> bool:
    """Tell whether landed candles wait to be checked or loaded."""
    return bool(fetch_value(connection, statement("report/is_on_the_way"), {}))


def list_open_gaps(connection: Connection) -> tuple[list[OpenGapLine], int]:
    """Return the longest gaps of 1m candles that nobody has explained, and how many there are."""
    found = _read(connection, "report/list_open_gaps", {"most": MOST_LINES})
    lines = [OpenGapLine(**dict(zip(_GAP, row[:-1], strict=True))) for row in found]
    return lines, int(found[0][-1]) if found else 0


def list_outages(connection: Connection, *, since: datetime, until: datetime) -> list[OutageLine]:
    """Return the newest outages of venues that meet [since, until) and are still believed."""
    found = _read(connection, "report/list_outages", _newest(since, until))
    return [OutageLine(**dict(zip(_OUTAGE, row, strict=True))) for row in found]


def newest_checks(connection: Connection, *, since: datetime, until: datetime) -> list[CheckLine]:
    """Return the newest run in (since, until] of every suite over every dataset."""
    found = _read(connection, "report/newest_checks", {"since": since, "until": until})
    return [CheckLine(**dict(zip(_CHECK, row, strict=True))) for row in found]


def list_drifts(connection: Connection) -> list[DriftLine]:
    """Return the newest drifts that last."""
    found = _read(connection, "report/list_drifts", {"most": MOST_LINES})
    return [DriftLine(**dict(zip(_DRIFT, row, strict=True))) for row in found]


def list_comparisons(
    connection: Connection, *, since: datetime, until: datetime
) -> list[ComparisonLine]:
    """Return what comparisons of spans that begin in [since, until) came to, by venue and pair."""
    found = _read(connection, "report/list_comparisons", _newest(since, until))
    return [ComparisonLine(**dict(zip(_COMPARISON, row, strict=True))) for row in found]


def list_differences(connection: Connection) -> list[DifferenceLine]:
    """Return the differences between sources that last, the most frequent first."""
    found = _read(connection, "report/list_differences", {"most": MOST_LINES})
    return [DifferenceLine(**dict(zip(_DIFFERENCE, row, strict=True))) for row in found]


def _newest(since: datetime, until: datetime) -> dict[str, Any]:
    return {"since": since, "until": until, "most": MOST_LINES}


def _read(connection: Connection, query: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    with database_errors("reading what the checks found"):
        return connection.execute(statement(query), asked).fetchall()
