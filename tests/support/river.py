"""The whole river in one process, without Airflow: what the DAGs call, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from include.exchanges.base import CandleSource
from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_spot.client import BinanceSpot
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.exchanges.registry import VENUES
from include.exchanges.second_venue import SecondVenue
from include.jobs.audit_history import audit_venue
from include.jobs.backfill_history import backfill_instrument, plan_instruments
from include.jobs.cascade import cascade_changes
from include.jobs.check_candles import check_landings
from include.jobs.fetch_candles import fetch_new_candles
from include.jobs.fit_channels import fit_changed
from include.jobs.landed_work import plan_shards
from include.jobs.load_warehouse import load_landings
from include.jobs.publish_report import publish_new
from include.jobs.repair_gaps import repair_venue
from include.jobs.storage import StoragePath
from include.jobs.sync_reference import sync_venue
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import CASCADE, H4
from include.market.universe import Universe
from include.notify.outbox import OutboxSender
from include.warehouse.engine import connect


def open_client(url: str, *, attempts: int = 5) -> HttpClient:
    """Return a client for tests: short pauses, no limit that could be reached."""
    settings = HttpSettings(attempts=attempts, backoff_base_s=0.01, backoff_cap_s=0.05)
    limits = [replace(limit, weight=10**9) for entry in VENUES.values() for limit in entry.limits]
    return HttpClient(url, settings, governor=LocalGovernor(*limits))


class River:
    """One warehouse, one venue, one state folder."""

    def __init__(
        self,
        dsn: str,
        venue_url: str,
        folder: Path,
        symbols: Sequence[str],
        *,
        source: CandleSource | None = None,
        client: HttpClient | None = None,
        with_archive: bool = False,
    ) -> None:
        self.dsn, self.venue_url, self.symbols = dsn, venue_url, tuple(symbols)
        self.outbox = folder / "outbox"
        self.settings = Settings(
            landing_url=str(folder / "landing"), outbox_dir=str(self.outbox), batch_days=3
        )
        self.conn = connect(dsn, application="test", autocommit=True)
        self.client = client or open_client(venue_url)
        self.source = source or BinanceSpot(self.client)
        self.venue = self.source.venue.name
        self.universe = Universe({self.venue: self.symbols})
        self.second: SecondVenue | None = None
        self.archive = (
            BinanceArchive(self.client, market="um" if self.venue == "binance_usdm" else "spot")
            if with_archive
            else None
        )

    def close(self) -> None:
        self.conn.close()
        self.client.close()

    def open_path(self, url: str) -> StoragePath:
        return Path(url)

    def sync(self) -> dict[str, int]:
        return sync_venue(self.conn, self.source, self.symbols)

    def backfill(self, span: Span, *, run_id: str) -> int:
        return sum(
            backfill_instrument(
                self.conn,
                self.source,
                self.open_path,
                self.settings,
                piece,
                run_id=run_id,
                archive=self.archive,
            )["rows"]
            for piece in plan_instruments(self.universe, span)
        )

    def audit(self, *, run_id: str) -> dict[str, int]:
        return audit_venue(
            self.conn,
            self.source,
            self.open_path,
            self.settings,
            self.symbols,
            run_id=run_id,
            archive=self.archive,
        )

    def repair(self, *, run_id: str, at: datetime) -> dict[str, int]:
        return repair_venue(
            self.conn,
            self.source,
            self.open_path,
            self.settings,
            self.symbols,
            run_id=run_id,
            at=at,
            archive=self.archive,
            second=self.second,
        )

    def fetch(self, *, run_id: str) -> dict[str, int]:
        return fetch_new_candles(
            self.conn, self.source, self.open_path, self.settings, self.symbols, run_id=run_id
        )

    def check(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for shard in plan_shards(self.conn, state="landed"):
            found = check_landings(
                self.conn, self.open_path, self.settings, OutboxSender(self.outbox), shard
            )
            totals = {key: totals.get(key, 0) + value for key, value in found.items()}
        return totals

    def load(self, *, run_id: str) -> dict[str, int]:
        totals: dict[str, int] = {}
        for shard in plan_shards(self.conn, state="checked"):
            found = load_landings(self.conn, self.open_path, shard, run_id=run_id)
            totals = {key: totals.get(key, 0) + value for key, value in found.items()}
        return totals

    def cascade(self, *, run_id: str) -> dict[str, dict[str, int]]:
        return {
            target.label: cascade_changes(self.conn, source, target, run_id=run_id)
            for source, target in CASCADE
        }

    def model(self) -> dict[str, int]:
        return fit_changed(self.conn, H4, self.settings)

    def publish(self) -> dict[str, int]:
        return publish_new(self.conn, self.universe, H4, self.settings, OutboxSender(self.outbox))
