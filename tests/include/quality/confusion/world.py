"""The real path for planted rows: land, check, load, and what the ledger then says of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from include.exchanges.traits import VenueTraits
from include.jobs.storage import payload_sha256, write_rows
from include.market.candle import FLAG_NAMES
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span, from_ms, to_ms
from include.market.timeframe import DAY_MS, M1
from include.warehouse.landing import register_landing
from include.warehouse.reference import sync_instruments
from tests.include.quality.confusion.planting import Planted, Row, candle_rows
from tests.include.quality.confusion.table import CLEAN, Observation
from tests.support.river import River

FLAT = VenueTraits(page_limit=1000, range_rule="oldest", absent_means="outage")
"""A venue that writes flat candles for minutes without trades, and states everything."""


class World:
    """One warehouse of one venue; what lands goes all the way."""

    def __init__(self, dsn: str, folder: Path, symbols: Sequence[str], listed_ms: int) -> None:
        self.river = River(dsn, "http://127.0.0.1:9", folder, tuple(symbols))
        self.landed = 0
        records = [
            InstrumentRecord(symbol, symbol.removesuffix("USDT"), "USDT", "spot", "TRADING",
                             "0.0001", "0.01")
            for symbol in symbols
        ]  # fmt: skip
        with self.river.conn.transaction():
            sync_instruments(
                self.river.conn,
                VenueRecord("binance_spot", "Binance Spot"),
                records,
                observed_at=from_ms(listed_ms - DAY_MS),
            )

    def close(self) -> None:
        self.river.close()

    def land(
        self,
        symbol: str,
        rows: Sequence[Row],
        span: Span,
        *,
        server_time_ms: int | None = None,
        traits: VenueTraits = FLAT,
        source: str = "rest",
    ) -> None:
        """Land rows as a fetch of ``span`` does."""
        parsed = candle_rows(rows)
        self.landed += 1
        path = f"{self.river.settings.landing_url}/{symbol}-{self.landed}.parquet"
        clock_ms = span.end_ms + DAY_MS if server_time_ms is None else server_time_ms
        write_rows(self.river.open_path(path), parsed, server_time_ms=clock_ms, traits=traits)
        with self.river.conn.transaction():
            register_landing(
                self.river.conn,
                venue="binance_spot",
                symbol=symbol,
                timeframe=M1.label,
                span=span,
                path=path,
                rows=len(parsed),
                payload_sha256=payload_sha256(parsed),
                source=source,
                run_id=f"landing {self.landed}",
            )

    def settle(self) -> Counter[str]:
        """Check and load what has landed; return the counts of both."""
        said = Counter(self.river.check())
        said.update(self.river.load(run_id=f"settle {self.landed}"))
        return said

    def observe_rows(self, symbol: str, rows: Sequence[Row]) -> list[Observation]:
        """Return what became of each landed row: the rule that refused it, its flags, or nothing.

        A row that is neither stored nor refused was ``lost``.
        """
        refused = self.refusals(symbol)
        flags = self.flags(symbol)
        return [
            Observation(row.kind, row.expected, self._fate(row, refused, flags)) for row in rows
        ]

    def observe_minutes(self, symbol: str, planted: Planted, span: Span) -> list[Observation]:
        """Return what the ledger says of each minute: absent with a reason, or nothing."""
        absent = self.gap_minutes(symbol)
        refused = {
            M1.floor_ms(row.open_ms)
            for row in planted.rows
            if row.expected not in (CLEAN, "flag_snapped", "flag_truncated")
        }
        found = []
        for open_ms in range(span.start_ms, span.end_ms, M1.length_ms):
            is_planted = open_ms in planted.absent_ms
            kind = "refused minute" if open_ms in refused else "absent minute"
            found.append(
                Observation(
                    kind if is_planted else CLEAN,
                    "gap" if is_planted else CLEAN,
                    "gap" if open_ms in absent else CLEAN,
                )
            )
        return found

    def refusals(self, symbol: str) -> dict[int, str]:
        """Return the rule by the number of the row it refused."""
        rows = self.river.conn.execute(
            "SELECT payload, rule FROM ledger.quarantine WHERE symbol = %s AND verdict_id = "
            "(SELECT max(verdict_id) FROM ledger.quarantine WHERE symbol = %s)",
            (symbol, symbol),
        )
        return {payload[0]: rule for payload, rule in rows}

    def flags(self, symbol: str) -> dict[int, int]:
        """Return the flags of every stored minute by its open time."""
        rows = self.river.conn.execute(
            "SELECT open_time, flags FROM market.candle_1m "
            "JOIN market.instrument USING (instrument_id) WHERE symbol = %s",
            (symbol,),
        )
        return {to_ms(opened): flags for opened, flags in rows}

    def gap_minutes(self, symbol: str) -> dict[int, str]:
        """Return every minute inside an open gap, with the reason."""
        rows = self.river.conn.execute(
            "SELECT span_start, span_end, reason FROM ledger.gap "
            "JOIN market.instrument USING (instrument_id) "
            "WHERE symbol = %s AND dataset = 'candle_1m' AND closed_at IS NULL",
            (symbol,),
        )
        return {
            minute: reason
            for start, end, reason in rows
            for minute in range(to_ms(start), to_ms(end), M1.length_ms)
        }

    def _fate(self, row: Row, refused: dict[int, str], flags: dict[int, int]) -> str:
        if row.number in refused:
            return refused[row.number]
        place = (row.open_ms + M1.length_ms // 2) // M1.length_ms * M1.length_ms
        if place not in flags:
            return "lost"
        names = [name for bit, name in FLAG_NAMES.items() if flags[place] & bit]
        return f"flag_{'_'.join(names)}" if names else CLEAN
