"""Reads what the ledger says of every instrument's minutes, for the map of coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from include.market.span import Span
from include.market.timeframe import Timeframe
from include.report.coverage import Series
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement


def read_series(
    connection: Connection, timeframes: Sequence[Timeframe], *, since: datetime, until: datetime
) -> list[Series]:
    """Return how the minutes of [since, until) stand, for every instrument the warehouse knows.

    Read from the ledger: that coverage and gaps are true of the stored rows is what the audit
    proves.
    """
    asked = {"since": since, "until": until, "datasets": [one.dataset for one in timeframes]}
    with database_errors("reading coverage"):
        states_of = statement("report/read_minute_states")
        told = connection.execute(states_of, asked, binary=True).fetchall()
        built_of = statement("report/read_built_spans")
        covered = connection.execute(built_of, asked, binary=True).fetchall()
    labels = {timeframe.dataset: timeframe.label for timeframe in timeframes}
    built: dict[int, dict[str, list[Span]]] = defaultdict(dict)
    for instrument_id, dataset, starts, ends in covered:
        built[instrument_id][labels[dataset]] = _as_spans(starts, ends)
    names: dict[int, tuple[str, str]] = {}
    states: dict[int, dict[str, list[Span]]] = defaultdict(dict)
    for instrument_id, venue, symbol, state, starts, ends in told:
        names[instrument_id] = (venue, symbol)
        states[instrument_id][state] = _as_spans(starts, ends)
    return [
        Series(
            instrument_id=instrument_id,
            venue=venue,
            symbol=symbol,
            states=states[instrument_id],
            built=built[instrument_id],
        )
        for instrument_id, (venue, symbol) in names.items()
    ]


def first_covered_day(connection: Connection) -> date | None:
    """Return the first UTC day of which anything is loaded or missing; None for nothing at all."""
    found: date | None = fetch_value(connection, statement("report/first_covered_day"), {})
    return found


def _as_spans(starts_ms: Iterable[int], ends_ms: Iterable[int]) -> list[Span]:
    return [Span(start, end) for start, end in zip(starts_ms, ends_ms, strict=True)]
