"""Judge what has landed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence

from include.jobs.deliver import deliver_once
from include.jobs.held_message import held_message
from include.jobs.storage import OpenPath, read_frame, write_frame
from include.market.candle import FOREIGN, SECOND_VENUE
from include.market.errors import CandlewickError
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import parse_timeframe
from include.notify.sender import Message, Sender
from include.quality.gate import LandedBatch, judge_batches
from include.quality.outcome import SuiteOutcome, add_entries
from include.quality.suites import LANDED_CANDLES
from include.quality.verdict import Verdict
from include.warehouse.engine import Connection
from include.warehouse.held import HeldBatch
from include.warehouse.landing import Landing, get_landing, mark_checked
from include.warehouse.quality_runs import write_quality_run

log = logging.getLogger(__name__)

MOST_ROWS = 200_000
"""Judged in one run: enough to make its fixed cost small, few enough to hold in memory."""


def check_landings(
    conn: Connection,
    open_path: OpenPath,
    settings: Settings,
    sender: Sender,
    landing_ids: Sequence[int],
) -> dict[str, int]:
    """Judge each landing; return how many rows were accepted and refused, how many batches held."""
    totals: Counter[str] = Counter()
    for group in _groups([get_landing(conn, landing_id) for landing_id in landing_ids]):
        frames = [read_frame(open_path(landing.path)) for landing in group]
        batches = [
            LandedBatch(stored.frame, landing.span, stored.server_time_ms, stored.absent)
            for landing, stored in zip(group, frames, strict=True)
        ]
        verdicts = judge_batches(batches, timeframe=parse_timeframe(group[0].timeframe))
        with conn.transaction():
            write_quality_run(conn, _outcome(group, verdicts), failures_only=True)
        for landing, verdict in zip(group, verdicts, strict=True):
            held = verdict.refused_share > settings.block_share
            _keep(conn, open_path, landing, verdict, held)
            totals.update(
                accepted=len(verdict.accepted), refused=len(verdict.refused), held=int(held)
            )
            if held:
                _tell(conn, sender, held_message(_held_batch(landing, verdict)))
    return dict(totals)


def _groups(landings: Sequence[Landing]) -> Iterator[list[Landing]]:
    """Yield landings still to be judged: one timeframe and at most MOST_ROWS a group."""
    group: list[Landing] = []
    for landing in landings:
        if landing.state != "landed":
            continue
        fits = group and landing.timeframe == group[0].timeframe
        if group and not (fits and sum(one.rows for one in group) + landing.rows <= MOST_ROWS):
            yield group
            group = []
        group.append(landing)
    if group:
        yield group


def _keep(
    conn: Connection,
    open_path: OpenPath,
    landing: Landing,
    verdict: Verdict,
    held: bool,
) -> None:
    clean_path = landing.path.removesuffix(".parquet") + ".clean.parquet"
    accepted = verdict.accepted
    if landing.source == SECOND_VENUE:
        accepted = accepted.assign(flags=accepted["flags"] | FOREIGN)
    write_frame(open_path(clean_path), accepted)
    with conn.transaction():
        mark_checked(
            conn,
            landing.landing_id,
            clean_path=clean_path,
            rows=len(accepted),
            verdict=verdict.results,
            held=held,
            quarantined=verdict.refused,
            payload_sha256=landing.payload_sha256,
        )


def _outcome(landings: Sequence[Landing], verdicts: Sequence[Verdict]) -> SuiteOutcome:
    """Return a run of the gate as one outcome: what its batches were found to hold, added up."""
    rows = sum(verdict.results["rows"] for verdict in verdicts)
    ids = [landing.landing_id for landing in landings]
    return SuiteOutcome(
        checkpoint="gate",
        suite=LANDED_CANDLES,
        dataset=landings[0].dataset,
        batch=f"landing {ids[0]}" if len(ids) == 1 else f"{len(ids)} landings from {min(ids)}",
        span=Span(
            min(landing.span.start_ms for landing in landings),
            max(landing.span.end_ms for landing in landings),
        ),
        rows=rows,
        engine=verdicts[0].results["engine"],
        run_at=None,
        expectations=[
            add_entries(entries, rows)
            for entries in zip(*(one.results["expectations"] for one in verdicts), strict=True)
        ],
    )


def _tell(conn: Connection, sender: Sender, message: Message) -> None:
    try:
        deliver_once(conn, sender, message, kind="held")
    except CandlewickError as error:
        # The batch is safely held either way; a broken webhook must not stop the checking. Job
        # tell_news makes up for it.
        log.warning("could not tell of a held batch: %s", error)


def _held_batch(landing: Landing, verdict: Verdict) -> HeldBatch:
    return HeldBatch(
        landing_id=landing.landing_id,
        venue=landing.venue,
        symbol=landing.symbol,
        span=landing.span,
        payload_sha256=landing.payload_sha256,
        landed_at=landing.landed_at,
        rows=landing.rows,
        refused=len(verdict.refused),
        rules=verdict.results["rules"],
    )
