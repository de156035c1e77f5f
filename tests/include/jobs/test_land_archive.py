"""History from archive files first: grouping, fallbacks, and the venue filling what they lack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.base import CandlePage
from include.exchanges.binance_archive.layout import plan_files
from include.exchanges.binance_spot.client import TRAITS
from include.exchanges.rows import CandleRows
from include.jobs.audit_history import audit_venue, days_due
from include.jobs.backfill_history import backfill_instrument
from include.jobs.storage import StoragePath, read_frame
from include.market.errors import DepthExhaustedError
from include.market.settings import Settings
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, M1, Timeframe
from include.warehouse.archive_files import known_file
from include.warehouse.engine import Connection, connect
from include.warehouse.landing import pending_landings
from tests.support.dictionary_venue import MINUTE, DictionaryArchive, DictionaryVenue, rows_at
from tests.support.warehouse import seed_reference

JANUARY = Span(to_ms(datetime(2024, 1, 1, tzinfo=UTC)), to_ms(datetime(2024, 2, 1, tzinfo=UTC)))
NOW = to_ms(datetime(2024, 2, 20, 12, tzinfo=UTC))


@pytest.fixture
def conn(warehouse_dsn: str) -> Iterator[Connection]:
    with connect(warehouse_dsn, application="seed") as seeding:
        seed_reference(seeding)
    with connect(warehouse_dsn, application="test", autocommit=True) as conn:
        yield conn


def days(first: int, last: int) -> Span:
    return Span(JANUARY.start_ms + first * DAY_MS, JANUARY.start_ms + last * DAY_MS)


def minutes_of(span: Span) -> list[int]:
    return list(range(span.start_ms, span.end_ms, MINUTE))


def daily_files(span: Span, *, without: frozenset[int] = frozenset()) -> dict[str, CandleRows]:
    """Return files of whole days, as an archive that publishes no months yet has them."""
    planned = [
        file
        for day_ms in range(span.start_ms, span.end_ms, DAY_MS)
        for file in plan_files("spot", "BTCUSDT", M1, Span(day_ms, day_ms + DAY_MS), now_ms=NOW)
    ]
    return {
        file.path: rows_at(at for at in minutes_of(file.span) if at not in without)
        for file in planned
    }


class Case:
    """One backfill of a span with what it landed."""

    def __init__(self, conn: Connection, folder: Path, venue: DictionaryVenue) -> None:
        self.conn, self.venue = conn, venue
        self.settings = Settings(landing_url=str(folder / "landing"), batch_days=3)

    def open_path(self, url: str) -> StoragePath:
        return Path(url)

    def backfill(
        self, archive: DictionaryArchive, span: Span, history: str = "archive,rest"
    ) -> int:
        piece = {
            "venue": "binance_spot", "symbol": "BTCUSDT", "history": history,
            "start": str(span.start_ms), "end": str(span.end_ms),
        }  # fmt: skip
        landed = backfill_instrument(
            self.conn, self.venue, self.open_path, self.settings, piece, run_id="r",
            archive=archive,  # type: ignore[arg-type]
        )  # fmt: skip
        return landed["rows"]

    def landed(self) -> list[tuple[str, Span, int]]:
        found = pending_landings(self.conn, "landed")
        return [(landing.source, landing.span, landing.rows) for landing in found]


@pytest.fixture
def case(conn: Connection, tmp_path: Path) -> Case:
    return Case(conn, tmp_path, DictionaryVenue(NOW, minutes_of(days(0, 20))))


def test_days_come_from_the_archive_in_batches_and_the_rest_from_the_venue(case: Case) -> None:
    archive = DictionaryArchive(daily_files(days(0, 4)))
    assert case.backfill(archive, days(0, 5)) == 5 * 1440
    assert case.landed() == [
        ("archive", days(0, 3), 3 * 1440),
        ("archive", days(3, 4), 1440),
        ("rest", days(4, 5), 1440),
    ]
    # The venue was asked for nothing that the archive holds.
    assert all(span.start_ms >= days(4, 5).start_ms for span in case.venue.asked)
    stored = known_file(case.conn, next(iter(archive.files)))
    assert stored is not None
    assert (stored.rows, stored.sha256, stored.revised_count) == (1440, "a" * 64, 0)


def test_a_month_that_is_not_published_is_read_by_its_days(case: Case) -> None:
    archive = DictionaryArchive(daily_files(days(0, 2)))
    case.venue.has = minutes_of(days(0, 2))
    case.backfill(archive, JANUARY, history="archive")
    assert archive.read[0].endswith("/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip")
    assert [path[-6:-4] for path in archive.read[1:]] == [f"{day:02}" for day in range(1, 32)]
    assert [source for source, _, _ in case.landed()] == ["archive"]


def test_minutes_the_archive_lacks_come_from_the_venue_under_its_own_name(case: Case) -> None:
    hole = minutes_of(days(0, 1))[100:103]
    venue_lacks_too = minutes_of(days(0, 1))[500]
    case.venue.has = [at for at in case.venue.has if at != venue_lacks_too]
    files = daily_files(days(0, 1), without=frozenset([*hole, venue_lacks_too]))
    case.backfill(DictionaryArchive(files), days(0, 1))
    span = Span(hole[0], hole[-1] + MINUTE)
    # The venue's candles are loaded first, so that only what both lack becomes a gap.
    assert case.landed() == [("rest", span, 3), ("archive", days(0, 1), 1436)]


def test_lines_without_a_time_reach_the_gate_as_rows(case: Case) -> None:
    archive = DictionaryArchive(daily_files(days(0, 1)), unplaced=(b"nonsense,1,2",))
    assert case.backfill(archive, days(0, 1)) == 1441
    (landing,) = pending_landings(case.conn, "landed")
    frame = read_frame(Path(landing.path)).frame
    assert frame["raw"].iloc[-1] == "nonsense,1,2"
    assert frame["open_time"].isna().sum() == 1


def test_who_chose_the_venue_alone_never_asks_the_archive(case: Case) -> None:
    archive = DictionaryArchive(daily_files(days(0, 1)))
    case.backfill(archive, days(0, 1), history="rest")
    assert (archive.read, [source for source, _, _ in case.landed()]) == ([], ["rest"])


def test_a_retry_reads_no_file_again(case: Case) -> None:
    archive = DictionaryArchive(daily_files(days(0, 4)))
    case.backfill(archive, days(0, 4))
    asked = len(archive.read)
    assert case.backfill(archive, days(0, 4)) == 0
    assert len(archive.read) == asked


def audit(case: Case, archive: DictionaryArchive | None, run_id: str) -> dict[str, int]:
    return audit_venue(
        case.conn, case.venue, case.open_path, case.settings, ["BTCUSDT", "NEWUSDT"],
        run_id=run_id, archive=archive,  # type: ignore[arg-type]
    )  # fmt: skip


def cover(conn: Connection, span: Span) -> None:
    conn.execute(
        "INSERT INTO ledger.coverage (dataset, instrument_id, covered) "
        "SELECT 'candle_1m', instrument_id, tstzmultirange(tstzrange(%s, %s)) "
        "FROM market.instrument WHERE symbol = 'BTCUSDT'",
        (span.start_time, span.end_time),
    )


def test_yesterday_and_a_week_ago_are_read_again_where_they_were_loaded(case: Case) -> None:
    today_ms = NOW - NOW % DAY_MS
    assert days_due(NOW) == [
        Span(today_ms - 7 * DAY_MS, today_ms - 6 * DAY_MS),
        Span(today_ms - DAY_MS, today_ms),
    ]
    case.venue.has = minutes_of(Span(today_ms - 10 * DAY_MS, today_ms))
    cover(case.conn, Span(today_ms - DAY_MS, today_ms))
    assert audit(case, None, "one") == {"days": 1, "files": 0, "rows": 1440}
    assert case.landed() == [("rest", Span(today_ms - DAY_MS, today_ms), 1440)]


def test_a_file_replaced_upstream_is_landed_again_and_counted(case: Case) -> None:
    archive = DictionaryArchive(daily_files(days(0, 1)))
    case.backfill(archive, days(0, 1))
    case.conn.execute("UPDATE ledger.archive_file SET checked_at = '2024-02-01'")
    assert audit(case, archive, "two")["files"] == 0
    assert archive.read == list(archive.files)

    archive.edition = "b"
    case.conn.execute("UPDATE ledger.archive_file SET checked_at = '2024-02-01'")
    assert audit(case, archive, "three") == {"days": 0, "files": 1, "rows": 1440}
    stored = known_file(case.conn, next(iter(archive.files)))
    assert stored is not None
    assert (stored.sha256, stored.revised_count) == ("b" * 64, 1)


def test_nothing_is_asked_twice_about_a_file_checked_lately(case: Case) -> None:
    archive: Any = DictionaryArchive(daily_files(days(0, 1)))
    case.backfill(archive, days(0, 1))
    archive.published_sha256 = None
    case.conn.execute("UPDATE ledger.archive_file SET checked_at = '2024-02-19'")
    assert audit(case, archive, "two")["files"] == 0


class ShallowVenue(DictionaryVenue):
    """Keeps its newest candles only, and says so."""

    traits = replace(TRAITS, depth_candles=720)

    def candles(
        self, symbol: str, timeframe: Timeframe, span: Span, *, page_limit: int
    ) -> Iterator[CandlePage]:
        if span.start_ms < self.has[0]:
            raise DepthExhaustedError("keeps 720 candles", oldest_ms=self.has[0])
        yield from super().candles(symbol, timeframe, span, page_limit=page_limit)


def test_what_a_venue_no_longer_keeps_is_a_gap_with_its_reason(case: Case) -> None:
    case.venue = ShallowVenue(NOW, minutes_of(days(2, 3)))
    for _ in range(2):
        assert case.backfill(DictionaryArchive({}), days(0, 3), history="rest") in (1440, 0)
    assert case.landed() == [("rest", days(2, 3), 1440)]
    gaps = case.conn.execute("SELECT reason, span_start, span_end FROM ledger.gap").fetchall()
    assert gaps == [("depth_exhausted", days(0, 2).start_time, days(0, 2).end_time)]


def test_a_venue_that_keeps_nothing_of_the_span_lands_nothing(case: Case) -> None:
    case.venue = ShallowVenue(NOW, minutes_of(days(9, 10)))
    assert case.backfill(DictionaryArchive({}), days(0, 1), history="rest") == 0
    assert case.landed() == []
