"""Store what a venue lists: venue, assets, instruments, renames, sessions."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from include.exchanges.base import CandleSource, FundingSource, ListingSource
from include.market.errors import UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.outages import StatedOutage, known_outages
from include.market.span import Span, from_ms, to_ms
from include.market.timeframe import DAY_MS, M1
from include.market.universe import SYMBOL, VenueOptions
from include.warehouse.corporate_actions import apply_renames
from include.warehouse.engine import Connection
from include.warehouse.listing import record_listing, waiting_symbols
from include.warehouse.outages import OutageSource, sync_outages
from include.warehouse.parked import retry_parked
from include.warehouse.reference import known_records, sync_instruments
from include.warehouse.sessions import record_sessions

SESSIONS_AHEAD_DAYS = 7
WAITING_PER_SYNC = 20
"""Most symbols asked for because quarantined rows wait for them; each is a question of its own."""

UNLISTED = "UNLISTED"
"""Status of an instrument its venue no longer lists. Its name stays its own: whether another asset
trades under it later is not for an hourly look at one list to decide."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the venue said: records of what is followed, symbols it lacks, and records of others."""

    listed: list[InstrumentRecord]
    missing: list[str]
    others: list[InstrumentRecord]


def sync_venue(
    conn: Connection,
    source: CandleSource,
    symbols: Sequence[str],
    options: VenueOptions | None = None,
    *,
    run_id: str = "sync_reference",
) -> dict[str, int]:
    """Sync ``symbols`` of one venue; return how many instruments were new, changed, unchanged.

    A symbol the venue no longer lists keeps its instrument, with status ``UNLISTED``. Declared
    renames are applied first; a symbol that was renamed away is not asked for. What the venue tells
    of symbols nobody follows, and of those that quarantined rows wait for, is kept as the proof by
    which they are let in; rows that waited for any of this are loaded, under ``run_id``.

    Raises:
        UnknownInstrumentError: the venue never listed one of ``symbols``; the others are synced.
        InvalidInputError: a rename is recorded with another instant, or the calendar is unknown.
    """
    options = options or VenueOptions()
    venue = source.venue
    if options.calendar is not None:
        venue = replace(venue, session_calendar=options.calendar)
    now = from_ms(source.server_time_ms())
    with conn.transaction():
        renamed = apply_renames(conn, venue.name, options.renames, observed_at=now)
    answer = _ask(source, *_wanted(conn, venue.name, symbols, options, now))
    gone = known_records(conn, venue.name, answer.missing)
    records = [_with_listing(source, record) for record in answer.listed]
    records += [replace(record, status=UNLISTED) for record in gone]
    totals = _store(conn, venue, records, options, now) if records else {}
    totals["renamed"] = renamed + totals.get("renamed", 0)
    with conn.transaction():
        stated = [*answer.listed, *answer.others]
        totals["listed"] = record_listing(conn, venue.name, stated, observed_at=now)
        totals["outages"] = _record_outages(conn, venue.name, options)
    totals["released"] = retry_parked(conn, run_id=run_id).released
    _tell(venue, gone, answer.missing, len(records))
    return totals


def _record_outages(conn: Connection, venue: str, options: VenueOptions) -> int:
    """Write down the outages that our list and the operator state; return how many changed."""
    stated: dict[OutageSource, tuple[StatedOutage, ...]] = {
        "calendar": known_outages(venue),
        "operator": options.outages,
    }
    return sum(
        sync_outages(conn, venue, [(one.span, one.note) for one in found], source=source)
        for source, found in stated.items()
    )


def _wanted(
    conn: Connection, venue: str, symbols: Sequence[str], options: VenueOptions, now: datetime
) -> tuple[list[str], list[str]]:
    """Return the symbols to follow under their names of now, and others that rows wait for."""
    former = set[str]()
    for rename in sorted(options.renames, key=lambda each: each.at):
        if rename.at <= now:
            former = (former | {rename.old}) - {rename.new}
    followed = [symbol for symbol in symbols if symbol not in former]
    waiting = waiting_symbols(conn, venue, limit=WAITING_PER_SYNC)
    # What is no symbol at all is not asked for: a venue may answer that with any error.
    return followed, [each for each in waiting if each not in followed and SYMBOL.fullmatch(each)]


def _ask(source: CandleSource, followed: Sequence[str], waiting: Collection[str]) -> _Answer:
    if isinstance(source, ListingSource):
        told = {record.symbol: record for record in _with_funding(source, source.listing())}
        listed = [told.pop(symbol) for symbol in followed if symbol in told]
        missing = sorted(set(followed) - {record.symbol for record in listed})
        return _Answer(listed, missing, list(told.values()))
    listed, missing = _ask_for_each(source, followed) if followed else ([], [])
    others = [record for symbol in waiting for record in _ask_for_each(source, [symbol])[0]]
    return _Answer(_with_funding(source, listed), missing, _with_funding(source, others))


def _ask_for_each(
    source: CandleSource, symbols: Sequence[str]
) -> tuple[list[InstrumentRecord], list[str]]:
    """Return the records of listed symbols, and the others; one question where all are listed."""
    try:
        return source.instruments(symbols), []
    except UnknownInstrumentError:
        if len(symbols) == 1:
            return [], list(symbols)
    found: list[InstrumentRecord] = []
    missing: list[str] = []
    for symbol in symbols:
        try:
            found += source.instruments([symbol])
        except UnknownInstrumentError:
            missing.append(symbol)
    return found, missing


def _with_funding(
    source: CandleSource, records: Sequence[InstrumentRecord]
) -> list[InstrumentRecord]:
    """Add how often perpetuals pay, where the source tells it apart from its list."""
    if not isinstance(source, FundingSource) or all(each.kind != "perpetual" for each in records):
        return list(records)
    stated_ms, usual_ms = source.funding_intervals_ms(), source.traits.funding_interval_ms
    return [
        replace(record, funding_interval_ms=stated_ms.get(record.symbol, usual_ms))
        if record.kind == "perpetual"
        else record
        for record in records
    ]


def _store(
    conn: Connection,
    venue: VenueRecord,
    records: Sequence[InstrumentRecord],
    options: VenueOptions,
    now: datetime,
) -> dict[str, int]:
    listed = [record.listed_at for record in records if record.listed_at is not None]
    first_ms, now_ms = to_ms(min(listed, default=now)), to_ms(now)
    with conn.transaction():
        receipt = sync_instruments(conn, venue, records, observed_at=now)
        # Once more: what this sync saw first may be what an old name became.
        renamed = apply_renames(conn, venue.name, options.renames, observed_at=now)
        ahead_ms = now_ms - now_ms % DAY_MS + SESSIONS_AHEAD_DAYS * DAY_MS
        span = Span(min(first_ms - first_ms % DAY_MS, ahead_ms), ahead_ms)
        sessions = record_sessions(conn, venue.name, span)
    return {
        "inserted": receipt.inserted,
        "changed": receipt.changed,
        "unchanged": receipt.unchanged,
        "sessions": sessions,
        "renamed": renamed,
    }


def _with_listing(source: CandleSource, record: InstrumentRecord) -> InstrumentRecord:
    # Where only the newest candles are kept, the oldest of them tells nothing of the listing.
    if record.listed_at is not None or source.traits.depth_candles is not None:
        return record
    # Where a venue states no listing date, the oldest candle it keeps is the honest substitute.
    first_ms = source.first_open_ms(record.symbol, M1)
    if first_ms is None:
        return record
    return replace(record, listed_at=from_ms(first_ms), listing_inferred=True)


def _tell(
    venue: VenueRecord, gone: Sequence[InstrumentRecord], missing: Sequence[str], synced: int
) -> None:
    for record in gone:
        if record.status != UNLISTED:
            log.warning("%s no longer lists %s", venue.name, record.symbol)
    if unknown := sorted(set(missing) - {record.symbol for record in gone}):
        raise UnknownInstrumentError(
            f"{venue.name} does not list {', '.join(unknown)}; correct Variable universe "
            f"(the other {synced} instruments are synced)"
        )
