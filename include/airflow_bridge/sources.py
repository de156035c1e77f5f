"""Sources of market data from Connections, and what a venue's wish for silence means to a task."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRescheduleException

from include.airflow_bridge.connections import (
    base_url,
    find_connection,
    load_settings,
    load_universe,
    sender,
    storage_path,
    warehouse,
    warehouse_dsn,
)
from include.exchanges.base import CandleSource
from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.drift import DriftKind, OnceLog
from include.exchanges.http import HttpClient, HttpSettings
from include.exchanges.registry import VENUES
from include.exchanges.second_venue import SecondVenue
from include.jobs.notify_ban import notify_bans
from include.market.errors import BannedError, InvalidInputError, RateLimitedError
from include.market.rate_limit import RateLimit
from include.warehouse.rate_governor import WarehouseGovernor
from include.warehouse.schema_drift import StoredDriftLog

# The archive states no limit; this keeps a bulk load polite.
ARCHIVE_LIMITS = (RateLimit("binance_archive", weight=1200),)
_VENUE_HINT = "an http connection whose host is the venue's base URL"
SHORTEST_WAIT_S = 10.0


@contextmanager
def source(venue: str) -> Iterator[CandleSource]:
    """Yield the source of ``venue``, a name of Variable ``universe``.

    Raises:
        AirflowRescheduleException: the venue wants rest for longer than a worker may be held. The
            slot is freed, no try is used up, and the task goes on when the venue allows.
        InvalidInputError: the venue is unknown or its Connection missing.
    """
    with _obeying(), _opened(venue) as opened:
        yield opened


@contextmanager
def archive(venue: str) -> Iterator[BinanceArchive | None]:
    """Yield the archive that the venue's Connection names in its extra ``archive``, else None.

    A venue pointed elsewhere without that word has none: another server's history is not its own.
    """
    entry = VENUES.get(venue)
    if entry is None or entry.archive is None:
        yield None
        return
    name = find_connection(venue, hint=_VENUE_HINT).extra_dejson.get("archive")
    if not name:
        yield None
        return
    hint = f"an http connection whose host is the archive of {venue}"
    with _client(find_connection(str(name), hint=hint), ARCHIVE_LIMITS) as client:
        yield BinanceArchive(client, market=entry.archive)


def second_venue(venue: str) -> SecondVenue | None:
    """Return the venue that Variable ``universe`` names to stand in for ``venue``, if any.

    Nothing is opened, and its Connection not looked for, before a gap is due for it. When it wants
    rest, the task goes on without it.
    """
    choice = load_universe().options_of(venue).second_source
    return None if choice is None else SecondVenue(choice, partial(_opened, choice.venue))


@contextmanager
def _opened(venue: str) -> Iterator[CandleSource]:
    family, _, name = venue.partition(":")
    with ExitStack() as stack:
        if family == "ccxt":
            yield stack.enter_context(_ccxt_source(name))
        elif family == "files":
            yield stack.enter_context(_file_source(venue))
        else:
            yield stack.enter_context(_own_source(venue))


@contextmanager
def _own_source(venue: str) -> Iterator[CandleSource]:
    if venue not in VENUES:
        raise InvalidInputError(f"no source for venue {venue!r}: correct Variable universe")
    entry = VENUES[venue]
    connection = find_connection(venue, hint=_VENUE_HINT)
    with _client(connection, entry.limits) as client, warehouse("schema_drift") as conn:
        drift = OnceLog(StoredDriftLog(conn))
        yield entry.build(client, partial(_note_changed, drift, venue))


@contextmanager
def _ccxt_source(exchange: str) -> Iterator[CandleSource]:
    # Imported here: ccxt takes seconds, and only its venues need it.
    from include.exchanges.ccxt_venue.client import CcxtSource
    from include.exchanges.ccxt_venue.exchange import rate_limit_of

    connection = _optional_connection(f"ccxt_{exchange}")
    with _governor((rate_limit_of(exchange),), connection) as governor:
        opened = CcxtSource(
            exchange,
            governor=governor,
            settings=_http_settings(),
            base_url=base_url(connection) if connection is not None else None,
        )
        with closing(opened):
            yield opened


@contextmanager
def _file_source(venue: str) -> Iterator[CandleSource]:
    from include.exchanges.files.client import FileSource
    from include.exchanges.files.mapping import mapping_from

    mapping = mapping_from(load_universe().options[venue].files)
    opened = FileSource(
        venue, mapping, now_ms=lambda: int(time.time() * 1000), open_remote=storage_path
    )
    with closing(opened):
        yield opened


@contextmanager
def _client(connection: Connection, limits: tuple[RateLimit, ...]) -> Iterator[HttpClient]:
    with _governor(limits, connection) as governor:
        client = HttpClient(base_url(connection), _http_settings(), governor=governor)
        with closing(client):
            yield client


@contextmanager
def _governor(
    limits: tuple[RateLimit, ...], connection: Connection | None
) -> Iterator[WarehouseGovernor]:
    extra = connection.extra_dejson if connection is not None else {}
    governor = WarehouseGovernor(
        warehouse_dsn(), *limits, egress=str(extra.get("egress") or "default")
    )
    with closing(governor):
        yield governor


@contextmanager
def _obeying() -> Iterator[None]:
    """Turn a venue's wish for a long silence into a later run of the same try."""
    try:
        yield
    except RateLimitedError as error:
        if isinstance(error, BannedError):
            with warehouse("notify_ban") as conn:
                notify_bans(conn, sender())
        if error.retry_after_s is None:
            raise
        # Those who waited for the same instant come back a little apart.
        wait_s = max(error.retry_after_s, SHORTEST_WAIT_S) + random.uniform(0, 10)
        later = datetime.now(UTC) + timedelta(seconds=wait_s)
        raise AirflowRescheduleException(later) from error  # type: ignore[no-untyped-call]


def _http_settings() -> HttpSettings:
    settings = load_settings()
    return HttpSettings(deadline_s=settings.request_deadline_s, attempts=settings.request_attempts)


def _note_changed(
    drift: OnceLog, venue: str, endpoint: str, field: str, kind: DriftKind = "added", /
) -> None:
    drift.note(venue, endpoint, field, kind)


def _optional_connection(conn_id: str) -> Connection | None:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
