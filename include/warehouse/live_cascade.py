"""What the cascade asks and tells the ledger of many series at once.

Instruments that share a span share a statement: hundreds of them close the same minute, and a
statement about one span is several times as fast as one about a list of spans. Where there are many
different spans they are sent as that list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time

from include.market.span import Span, merge_spans, next_month_ms, to_ms
from include.market.timeframe import Timeframe
from include.warehouse.engine import Connection
from include.warehouse.many_candles import MOST_ALIKE, OwnedSpan, group_by_span
from include.warehouse.multiranges import as_array, as_multirange
from include.warehouse.statements import statement


def coverage_of_many(
    connection: Connection, datasets: Sequence[str], wanted: Mapping[int, Span]
) -> dict[str, dict[int, list[Span]]]:
    """Return by dataset what is proven of each series within the span asked for, or more."""
    found: dict[str, dict[int, list[Span]]] = {dataset: {} for dataset in datasets}
    groups = group_by_span(wanted.items())
    if len(groups) > MOST_ALIKE:
        # What else is proven between the first and the last of them does no harm.
        starts, ends = zip(*((span.start_ms, span.end_ms) for span in groups), strict=True)
        groups = {Span(min(starts), max(ends)): list(wanted)}
    for span, instrument_ids in groups.items():
        values = {
            "datasets": list(datasets),
            "instrument_ids": as_array(instrument_ids),
            "span_start": span.start_time,
            "span_end": span.end_time,
        }
        for dataset, clipped, alike in connection.execute(
            statement("ledger/coverage_alike"), values
        ):
            parts = [Span(to_ms(part.lower), to_ms(part.upper)) for part in clipped]
            found[dataset] |= dict.fromkeys(alike, parts)
    return found


def extend_alike(
    connection: Connection, dataset: str, proven: Mapping[int, Sequence[Span]]
) -> None:
    """Add proven spans to coverage, of series all of whose proven candles are new and told of."""
    alike: dict[tuple[Span, ...], list[int]] = {}
    before: Sequence[Span] | None = None
    group: list[int] = []
    for instrument_id, spans in proven.items():
        if spans != before:
            before, group = spans, alike.setdefault(tuple(spans), [])
        group.append(instrument_id)
    if len(alike) > MOST_ALIKE:
        listed = {
            "dataset": dataset,
            "instrument_ids": as_array(proven),
            "proven": [as_multirange(spans) for spans in proven.values()],
        }
        connection.execute(statement("ledger/extend_coverage"), listed)
        return
    for parts, instrument_ids in alike.items():
        values = {
            "dataset": dataset,
            "instrument_ids": as_array(instrument_ids),
            "proven": as_multirange(parts),
        }
        connection.execute(statement("ledger/extend_coverage_alike"), values)


def tell_alike(
    connection: Connection, dataset: str, runs: Iterable[OwnedSpan], load_id: int
) -> None:
    """File one change per run of new candles."""
    told = list(runs)
    groups = group_by_span(told)
    if len(groups) > MOST_ALIKE:
        listed = {
            "dataset": dataset,
            "load_ids": as_array([load_id] * len(told)),
            "instrument_ids": as_array(instrument_id for instrument_id, _ in told),
            "span_starts": [span.start_time for _, span in told],
            "span_ends": [span.end_time for _, span in told],
        }
        connection.execute(statement("ledger/write_changes"), listed)
        return
    for span, instrument_ids in groups.items():
        values = {
            "dataset": dataset,
            "load_id": load_id,
            "instrument_ids": as_array(instrument_ids),
            "span_start": span.start_time,
            "span_end": span.end_time,
        }
        connection.execute(statement("ledger/write_changes_alike"), values)


def retired_spans(connection: Connection, timeframes: Sequence[Timeframe]) -> list[Span]:
    """Return the months whose candles of any of ``timeframes`` were taken out of their tables."""
    values = {"datasets": [timeframe.dataset for timeframe in timeframes]}
    starts = [
        to_ms(datetime.combine(month, time(), tzinfo=UTC))
        for (month,) in connection.execute(statement("ledger/retired_months"), values)
    ]
    return merge_spans(Span(start_ms, next_month_ms(start_ms)) for start_ms in starts)
