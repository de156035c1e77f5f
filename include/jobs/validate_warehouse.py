"""Hold what is stored against its suites, keep what they find, tell of what must not be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from include.jobs.deliver import deliver_once
from include.market.settings import Settings
from include.market.span import Span, to_ms
from include.market.timeframe import CASCADE, M1, Timeframe
from include.notify.sender import Message, Sender
from include.quality.checkpoints import StoredBatch, open_checkpoints
from include.quality.outcome import SEVERITIES, SuiteOutcome
from include.quality.stored_frames import (
    frame_candles,
    frame_channels,
    frame_funding,
    frame_instruments,
    frame_trades,
)
from include.quality.stored_suites import (
    CANDLE_KEY,
    CANDLES,
    CHANNELS,
    COARSE_CANDLES,
    FORECASTS,
    FUNDING,
    FUNDING_KEY,
    INSTRUMENTS,
    TRADE_KEY,
    TRADES,
)
from include.warehouse.checked_rows import (
    count_rows,
    read_stored_candles,
    read_stored_channels,
    read_stored_forecasts,
    read_stored_funding,
    read_stored_instruments,
    read_stored_trades,
)
from include.warehouse.engine import Connection
from include.warehouse.quality_runs import failing_since, write_quality_run

MOST_ROWS: Final = 250_000
"""Judged in one run of a suite: a few seconds of work, a few hundred MB of memory."""


def validate_warehouse(
    conn: Connection, settings: Settings, sender: Sender, *, at: datetime
) -> dict[str, int]:
    """Judge the newest days of everything stored; count batches, rows and failed expectations.

    What is judged: rows of the last ``settings.check_days`` before ``at``, whole buckets of each
    timeframe, and of instruments and channels those that hold now. Results go to
    ``ledger.quality_run`` and to Data Docs in ``settings.quality_dir``; of failures of severity
    ``block`` somebody is told when they begin, and again should they come back. Nothing stored is
    changed.

    Raises:
        InvalidInputError: ``settings.quality_dir`` cannot be written.
        FinalError: Great Expectations could not evaluate an expectation.
        CandlewickError: it could not be told; the results are kept, and the next run tells anew.
    """
    failures: list[SuiteOutcome] = []
    totals = dict.fromkeys(("batches", "rows", *(f"failed_{name}" for name in SEVERITIES)), 0)

    def keep(outcome: SuiteOutcome) -> None:
        with conn.transaction():
            write_quality_run(conn, outcome)
        totals["batches"] += 1
        totals["rows"] += outcome.rows
        for name in SEVERITIES:
            totals[f"failed_{name}"] += len(outcome.failed(name))

    window = Span(to_ms(at - timedelta(days=settings.check_days)), to_ms(at))
    folder = Path(settings.quality_dir)
    with open_checkpoints(folder, run_at=at, keep=keep, tell=failures.append) as checkpoints:
        for batch in _batches(conn, window, at):
            checkpoints.run(batch)
    # Told when everything is judged: a message that cannot be sent must not stop the judging.
    if failures:
        since = failing_since(conn, failures, at=at)
        deliver_once(conn, sender, _message(failures, at, since), kind="quality")
    return totals


def _batches(conn: Connection, window: Span, at: datetime) -> Iterator[StoredBatch]:
    yield from _candles(conn, M1, window)
    for source, target in CASCADE:
        yield from _candles(conn, target, window, source=source)
    for ids, name in _groups(count_rows(conn, "trade", "trade_time", window)):
        trades = frame_trades(read_stored_trades(conn, ids, window))
        keys = (*TRADE_KEY, "trade_id")
        yield StoredBatch(TRADES, "trade", name, trades, keys, window)
    for ids, name in _groups(count_rows(conn, "funding_rate", "funding_time", window)):
        funding = frame_funding(read_stored_funding(conn, ids, window))
        yield StoredBatch(FUNDING, "funding_rate", name, funding, FUNDING_KEY, window)
    instruments = frame_instruments(read_stored_instruments(conn, at))
    yield StoredBatch(INSTRUMENTS, "instrument", "", instruments, ("venue", "symbol"))
    channels = frame_channels(read_stored_channels(conn))
    yield StoredBatch(CHANNELS, "channel", "", channels, ("instrument", "timeframe", "start_time"))
    forecasts = read_stored_forecasts(conn, window)
    if forecasts is not None:
        keys = ("instrument", "timeframe", "made_at")
        yield StoredBatch(FORECASTS, "forecast", "", forecasts, keys, window)


def _candles(
    conn: Connection, timeframe: Timeframe, window: Span, *, source: Timeframe | None = None
) -> Iterator[StoredBatch]:
    # Whole buckets: what is cut off would look like children that are absent.
    span = Span(timeframe.floor_ms(window.start_ms), timeframe.floor_ms(window.end_ms))
    suite = CANDLES if source is None else COARSE_CANDLES
    for ids, name in _groups(count_rows(conn, timeframe.dataset, "open_time", span)):
        rows = read_stored_candles(conn, timeframe, ids, span, source=source)
        yield StoredBatch(
            suite, timeframe.dataset, name, frame_candles(rows, timeframe), CANDLE_KEY, span
        )


def _groups(counts: Mapping[int, int]) -> Iterator[tuple[list[int], str]]:
    """Cut instruments into groups of at most MOST_ROWS rows, named where there are several."""
    groups: list[list[int]] = []
    rows = MOST_ROWS
    for instrument_id, count in counts.items():
        if rows + count > MOST_ROWS:
            groups.append([])
            rows = 0
        groups[-1].append(instrument_id)
        rows += count
    for ids in groups:
        yield ids, f"instruments {ids[0]} to {ids[-1]}" if len(groups) > 1 else ""


def _message(failures: Sequence[SuiteOutcome], at: datetime, since: datetime) -> Message:
    lines = [
        f"{outcome.dataset}{f' ({outcome.batch})' if outcome.batch else ''}: "
        + ", ".join(
            f"{found.rule} {found.unexpected_count} of {outcome.rows}"
            for found in outcome.failed("block")
        )
        for outcome in failures
    ]
    rules = sorted({found.rule for one in failures for found in one.failed("block")})
    datasets = sorted({one.dataset for one in failures})
    return Message(
        title=f"Stored rows break {len(rules)} rule(s): {', '.join(rules)}"[:200],
        text="\n".join(
            [*lines[:12], "See Data quality in Airflow, or ledger.quality_result for examples."]
        )[:1800],
        # The same trouble on the next day is the same event; one that comes back is another.
        event_key=f"quality:{since:%Y%m%dT%H%M%S}:{','.join(datasets)}:{','.join(rules)}"[:300],
        event_time=at,
    )
