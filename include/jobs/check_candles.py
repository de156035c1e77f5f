"""Judge what has landed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from include.jobs.deliver import deliver_once
from include.jobs.storage import OpenPath, read_frame, write_frame
from include.market.errors import CandlewickError
from include.market.settings import Settings
from include.market.timeframe import parse_timeframe
from include.notify.sender import Message, Sender
from include.quality.gate import judge_candles
from include.quality.verdict import Verdict
from include.warehouse.engine import Connection
from include.warehouse.landing import Landing, get_landing, mark_checked

log = logging.getLogger(__name__)


def check_landings(
    conn: Connection,
    open_path: OpenPath,
    settings: Settings,
    sender: Sender,
    landing_ids: Sequence[int],
) -> dict[str, int]:
    """Judge each landing; return how many rows were accepted and refused, how many batches held."""
    totals: Counter[str] = Counter()
    for landing_id in landing_ids:
        landing = get_landing(conn, landing_id)
        if landing.state != "landed":
            continue
        verdict, held = _check(conn, open_path, settings, landing)
        totals.update(accepted=len(verdict.accepted), refused=len(verdict.refused), held=int(held))
        if held:
            _tell(conn, sender, _held_message(landing, verdict))
    return dict(totals)


def _check(
    conn: Connection, open_path: OpenPath, settings: Settings, landing: Landing
) -> tuple[Verdict, bool]:
    frame, server_time_ms = read_frame(open_path(landing.path))
    verdict = judge_candles(
        frame,
        timeframe=parse_timeframe(landing.timeframe),
        span=landing.span,
        server_time_ms=server_time_ms,
    )
    held = verdict.refused_share > settings.block_share
    clean_path = landing.path.removesuffix(".parquet") + ".clean.parquet"
    write_frame(open_path(clean_path), verdict.accepted, server_time_ms=server_time_ms)
    with conn.transaction():
        mark_checked(
            conn,
            landing.landing_id,
            clean_path=clean_path,
            rows=len(verdict.accepted),
            verdict=verdict.results,
            held=held,
            quarantined=verdict.refused,
            payload_sha256=landing.payload_sha256,
        )
    return verdict, held


def _tell(conn: Connection, sender: Sender, message: Message) -> None:
    try:
        deliver_once(conn, sender, message, kind="held")
    except CandlewickError as error:
        # The batch is safely held either way; a broken webhook must not stop the checking.
        log.warning("could not tell of a held batch: %s", error)


def _held_message(landing: Landing, verdict: Verdict) -> Message:
    rules = ", ".join(f"{rule}: {count}" for rule, count in verdict.results["rules"].items())
    return Message(
        title=f"Batch held: {landing.symbol} {landing.span}",
        text=f"{len(verdict.refused)} of {landing.rows} rows of {landing.venue} {landing.symbol} "
        f"{landing.span} were refused ({rules}). Nothing of the batch is loaded. Look at "
        f"ledger.quarantine where landing_id = {landing.landing_id}.",
        event_key=f"held:{landing.venue}:{landing.symbol}:{landing.payload_sha256[:16]}",
        event_time=landing.landed_at,
    )
