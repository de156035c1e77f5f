"""Instruments as rows: sorted by venue and handed to the reference sync, which keeps versions.

An instrument is no row to be merged: what changes of it starts a version, and its symbol is an
alias. So the generic loader hands such rows over here; refused ones and the receipt are as
everywhere.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa

from include.market.errors import ContractError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.judgement import LoadReceipt
from include.warehouse.quarantine import as_document
from include.warehouse.reference import sync_instruments
from include.warehouse.statements import statement

if TYPE_CHECKING:
    from include.warehouse.arriving import Rows
    from include.warehouse.rows import Delivery

TABLE: Final = "market.instrument"
_NAMES: Final = ("symbol", "base_asset", "quote_asset", "kind", "status")
_SIZES: Final = {"tick_size": Decimal("1e12"), "lot_size": Decimal("1e18")}
_OPTIONAL: Final = ("listed_at", "delisted_at", "funding_interval_ms")
_NAME: Final = re.compile(r"\S{1,64}")


@dataclass(frozen=True, slots=True)
class _Refused:
    raw: str
    rule: str
    detail: str


def load_instruments(connection: Connection, rows: Rows, delivery: Delivery) -> LoadReceipt:
    """Sync the instruments of ``rows``, in one transaction that it commits itself.

    Args:
        connection: idle, or in a transaction that only read (which is ended).
        rows: ``venue`` (or ``delivery.venue``), ``symbol, base_asset, quote_asset, kind, status,
            tick_size, lot_size``, and where known ``listed_at, delisted_at, funding_interval_ms``;
            of rows with one symbol the last counts. Venues have to be known.
        delivery: ``observed_at`` is when the venues stated it, None for now.

    Raises:
        ContractError: a column is missing.
        RetryableError: the database was lost or too busy; nothing was stored.
    """
    observed_at = delivery.observed_at or datetime.now(UTC)
    action = f"load of {len(rows)} rows into {TABLE}"
    given = list(_as_dicts(rows, delivery))
    begin_own_transaction(connection, action)
    with database_errors(action), connection.transaction():
        venues = {venue.name: venue for venue in _known_venues(connection)}
        accepted: dict[str, dict[str, InstrumentRecord]] = defaultdict(dict)
        refused, repeats = [], 0
        for row in reversed(given):
            if fault := _fault(row, venues):
                refused.append(fault)
                continue
            record = _record(row)
            later = accepted[row["venue"]].setdefault(record.symbol, record)
            if later != record:
                detail = "a later row of the batch has other values for this symbol"
                refused.append(_refuse(row, "duplicate_key", detail))
            elif later is not record:
                repeats += 1
        inserted = changed = unchanged = 0
        for name, records in sorted(accepted.items()):
            receipt = sync_instruments(
                connection, venues[name], list(records.values()), observed_at=observed_at
            )
            inserted += receipt.inserted
            changed += receipt.changed
            unchanged += receipt.unchanged
        counts = (inserted, changed, unchanged + repeats, len(refused))
        return _write_receipt(connection, delivery, observed_at, counts, refused)


def _as_dicts(rows: Rows, delivery: Delivery) -> Iterator[dict[str, Any]]:
    frame = rows.to_pandas() if isinstance(rows, pa.Table) else rows
    if delivery.venue is not None and "venue" not in frame.columns:
        frame = frame.assign(venue=delivery.venue)
    missing = [name for name in ("venue", *_NAMES, *_SIZES) if name not in frame.columns]
    if missing:
        raise ContractError(f"rows of {TABLE} lack the columns {', '.join(missing)}")
    for row in frame.to_dict("records"):
        yield {
            str(name): None if pd.api.types.is_scalar(value) and pd.isna(value) else value
            for name, value in row.items()
        }


def _known_venues(connection: Connection) -> list[VenueRecord]:
    return [VenueRecord(*row) for row in connection.execute(statement("market/list_venues"))]


def _fault(row: Mapping[str, Any], venues: Mapping[str, VenueRecord]) -> _Refused | None:
    if row["venue"] not in venues:
        return _refuse(row, "unknown_venue", f"no venue is called {row['venue']!r}")
    for name in _NAMES:
        if not isinstance(row[name], str) or not _NAME.fullmatch(row[name]) or "\0" in row[name]:
            return _refuse(row, f"{name}_unreadable", f"{name} is no name of 1 to 64 characters")
    for name, most in _SIZES.items():
        size = _size(row[name])
        if size is None or not 0 <= size <= most:
            return _refuse(row, f"{name}_unreadable", f"{name} is no number from 0 to {most}")
    for name in ("listed_at", "delisted_at"):
        instant = row.get(name)
        if instant is not None and getattr(instant, "tzinfo", None) is None:
            return _refuse(row, f"{name}_unreadable", f"{name} is no time with a zone")
    return None


def _size(value: object) -> Decimal | None:
    try:
        size = Decimal(str(value)) if len(str(value)) <= 64 else None
    except InvalidOperation:
        return None
    return size if size is not None and size.is_finite() else None


def _record(row: Mapping[str, Any]) -> InstrumentRecord:
    stated: dict[str, Any] = {name: row[name] for name in _NAMES}
    stated |= {name: row[name] for name in _OPTIONAL if row.get(name) is not None}
    stated |= {name: format(_size(row[name]), "f") for name in _SIZES}
    if "funding_interval_ms" in stated:
        stated["funding_interval_ms"] = int(stated["funding_interval_ms"])
    return InstrumentRecord(**stated)


def _refuse(row: Mapping[str, Any], rule: str, detail: str) -> _Refused:
    return _Refused(json.dumps(dict(row), default=str), rule, detail[:300])


def _write_receipt(
    connection: Connection,
    delivery: Delivery,
    observed_at: datetime,
    counts: tuple[int, int, int, int],
    refused: list[_Refused],
) -> LoadReceipt:
    inserted, changed, unchanged, quarantined = counts
    shared = {"dataset": "instrument", "venue": delivery.venue, "symbol": delivery.symbol}
    values = {
        **shared,
        "source": delivery.source,
        "run_id": delivery.run_id,
        "span_start": observed_at,
        "span_end": observed_at,
        "rows_in": sum(counts),
        "rows_inserted": inserted,
        "rows_updated": changed,
        "rows_unchanged": unchanged,
        "rows_quarantined": quarantined,
        "payload_sha256": delivery.payload_sha256,
        "fencing_token": delivery.fencing_token,
        "observed_at": observed_at,
        "rows_accepted": 0,
        "step": None,
    }
    row = connection.execute(statement("ledger/write_load"), values).fetchone()
    load_id = row[0] if row else None
    with connection.cursor() as cursor:
        cursor.executemany(
            statement("ledger/quarantine_refused"),
            [
                {
                    **shared,
                    "payload": as_document(one.raw),
                    "rule": one.rule,
                    "detail": one.detail.replace("\x00", "\\x00"),
                    "load_id": load_id,
                    "landing_id": None,
                }
                for one in refused
            ],
        )
    return LoadReceipt(load_id, *counts)
