"""Reads what the ledger says of every instrument's minutes, for the map of coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from psycopg.types.range import Range

from include.market.span import Span, to_ms
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
        told = connection.execute(statement("report/read_minute_states"), asked).fetchall()
        covered = connection.execute(statement("report/read_built_spans"), asked).fetchall()
    labels = {timeframe.dataset: timeframe.label for timeframe in timeframes}
    built: dict[int, dict[str, list[Span]]] = defaultdict(dict)
    for instrument_id, dataset, spans in covered:
        built[instrument_id][labels[dataset]] = _as_spans(spans)
    names: dict[int, tuple[str, str]] = {}
    states: dict[int, dict[str, list[Span]]] = defaultdict(dict)
    for instrument_id, venue, symbol, state, spans in told:
        names[instrument_id] = (venue, symbol)
        states[instrument_id][state] = _as_spans(spans)
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


def _as_spans(ranges: Iterable[Range[datetime]]) -> list[Span]:
    # They were cut to a span with two ends, so none is without one.
    return [Span(to_ms(one.lower), to_ms(one.upper)) for one in ranges if one.lower and one.upper]
