"""Draw the page of data quality, and send its picture once a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from include.jobs.deliver import deliver_once
from include.market.errors import InvalidInputError
from include.market.settings import Settings
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, TIMEFRAMES
from include.notify.sender import Message, Sender
from include.report.coverage import CoverageMap, map_coverage, newest_days
from include.report.quality_figure import draw_quality_chart
from include.report.quality_numbers import (
    QualityNumbers,
    add_up,
    describe_numbers,
    head_tiles,
    show_age,
)
from include.report.quality_page import QualityPage, render_quality_page
from include.report.quality_tables import (
    check_table,
    comparison_table,
    difference_table,
    drift_table,
    gap_table,
    outage_table,
)
from include.report.timelines import DayCount, Timeline, lay_out_timeline
from include.warehouse.arrivals import Arrivals, describe_oddities, summarise_arrivals
from include.warehouse.coverage_map import first_covered_day, read_series
from include.warehouse.engine import Connection
from include.warehouse.publications import is_published
from include.warehouse.quality_events import (
    count_alarms,
    count_refusals,
    is_on_the_way,
    list_comparisons,
    list_differences,
    list_drifts,
    list_open_gaps,
    list_outages,
    newest_checks,
    stored_since,
)
from include.warehouse.quality_report import QualityDay, read_quality_report

PAGE: Final = "index.html"
PICTURE: Final = "coverage.png"
PICTURE_DAYS: Final = 90
"""Days on the picture of the daily report: what is older has been told of."""
SETTLING: Final = timedelta(minutes=10)
"""Candles younger than this are still on their way and are not shown as missing."""
CHECKS_DAYS: Final = 30
"""Days in which the newest run of a suite is looked for: the gate alone runs every minute."""
REDRAW_AFTER: Final = timedelta(hours=1)
REDRAW_HISTORY_AFTER: Final = timedelta(minutes=1)
HISTORY_ROWS: Final = 1440
"""So many new candles since the page was drawn are history, and the page should show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """All that page and picture show, read in one snapshot of the warehouse."""

    page: QualityPage
    numbers: QualityNumbers
    refusals: list[DayCount]
    alarms: list[DayCount]
    yesterday: list[QualityDay]


def draw_quality(
    conn: Connection, settings: Settings, sender: Sender, *, at: datetime
) -> dict[str, int]:
    """Draw page and picture of the last ``quality_days`` days anew; send the picture once a day.

    Both files are replaced in one step each, so that a reader sees the old or the new one. With
    nothing loaded yet nothing is drawn, and while landed candles wait nothing is sent: a picture
    of history half loaded would tell of gaps that are none.

    Raises:
        InvalidInputError: ``quality_dir`` cannot be written.
        CandlewickError: the message could not be sent; the next run tries again.
    """
    figures = _read_figures(conn, settings, at)
    if figures is None:
        return {"pages": 0, "instruments": 0, "messages": 0}
    folder = Path(settings.quality_dir)
    _replace(folder / PAGE, render_quality_page(figures.page).encode())
    picture = _draw_picture(figures)
    _replace(folder / PICTURE, picture)
    due = not is_on_the_way(conn) and not is_published(conn, _event_key(at))
    sent = due and _send(conn, sender, figures, picture, at)
    return {"pages": 1, "instruments": len(figures.page.found.rows), "messages": int(sent)}


def is_due(conn: Connection, settings: Settings, *, at: datetime) -> bool:
    """Tell whether today's picture has not gone out, or the page no longer shows what there is.

    It does not when it is older than an hour, or when history was loaded since.
    """
    try:
        drawn_s = (Path(settings.quality_dir) / PAGE).stat().st_mtime
    except OSError:
        return True
    drawn_at = datetime.fromtimestamp(drawn_s, tz=UTC)
    if at - drawn_at > REDRAW_AFTER or not is_published(conn, _event_key(at)):
        return True
    is_settled = at - drawn_at > REDRAW_HISTORY_AFTER
    return is_settled and stored_since(conn, drawn_at) >= HISTORY_ROWS


def _read_figures(conn: Connection, settings: Settings, at: datetime) -> _Figures | None:
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        known = first_covered_day(conn)
        if known is None:
            return None
        until = at - SETTLING
        first_day = max(known, until.date() - timedelta(days=settings.quality_days - 1))
        since = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC)
        timeframes = list(TIMEFRAMES.values())
        if until <= since:
            return None
        series = read_series(conn, timeframes, since=since, until=until)
        refusals = count_refusals(conn, since=since, until=at)
        gaps, gap_count = list_open_gaps(conn)
        alarms = count_alarms(conn, since=since, until=at)
        today = _settled_day(at)
        yesterday = read_quality_report(
            conn, from_day=today - timedelta(days=1), to_day=today, at=until
        )
        tables = [
            gap_table(gaps, gap_count),
            outage_table(list_outages(conn, since=since, until=at)),
            drift_table(list_drifts(conn)),
            check_table(newest_checks(conn, since=max(since, _checked_since(at)), until=at)),
            comparison_table(list_comparisons(conn, since=since, until=at)),
            difference_table(list_differences(conn)),
        ]
    found = map_coverage(series, timeframes, first_day=first_day, at=until)
    refused, drift = _lay_out(found, refusals), _lay_out(found, alarms)
    numbers = add_up(found, refused, drift, gaps=gaps, gap_count=gap_count)
    page = QualityPage(
        found=found,
        quarantine=refused,
        drift=drift,
        tiles=head_tiles(numbers),
        tables=tables,
        links=_find_links(Path(settings.quality_dir)),
    )
    return _Figures(
        page=page, numbers=numbers, refusals=refusals, alarms=alarms, yesterday=yesterday
    )


def _lay_out(found: CoverageMap, events: list[DayCount]) -> Timeline:
    return lay_out_timeline(events, first_day=found.first_day, days=found.days)


def _find_links(folder: Path) -> dict[str, str]:
    wanted = {"data_docs/index.html": "Data Docs", PICTURE: "Picture"}
    return {
        address: text
        for address, text in wanted.items()
        if address == PICTURE or (folder / address).exists()
    }


def _draw_picture(figures: _Figures) -> bytes:
    found = newest_days(figures.page.found, PICTURE_DAYS)
    refused, drift = _lay_out(found, figures.refusals), _lay_out(found, figures.alarms)
    numbers = add_up(found, refused, drift, gaps=(), gap_count=0)
    return draw_quality_chart(found, refused, drift, headline=describe_numbers(numbers))


def _send(
    conn: Connection, sender: Sender, figures: _Figures, picture: bytes, at: datetime
) -> bool:
    day = _settled_day(at)
    numbers = figures.numbers
    oldest = numbers.oldest_gap
    text = [
        describe_numbers(numbers) + ".",
        _tell_yesterday(figures.yesterday),
        _tell_arrivals(summarise_arrivals(conn, _day_before(at))),
        f"Refused rows: {numbers.refused:,}. Drift alarms: {numbers.alarms:,}. "
        f"Open gaps nobody has explained: {numbers.gaps:,}"
        + ("." if oldest is None else f", the oldest of {oldest.symbol}."),
    ]
    message = Message(
        title=f"Data quality {day}",
        text="\n".join(line for line in text if line),
        event_key=_event_key(at),
        event_time=datetime(day.year, day.month, day.day, tzinfo=UTC),
        image=picture,
        image_name=f"quality-{day}.png",
    )
    return deliver_once(conn, sender, message, kind="quality_chart")


def _tell_yesterday(days: list[QualityDay]) -> str:
    minutes = sum(day.minutes - sum(day.explained.values()) for day in days)
    refused = sum(sum(day.quarantined.values()) for day in days)
    return (
        f"Yesterday: {sum(day.present for day in days):,} of {minutes:,} minutes stored that are "
        f"not explained as absent; {refused:,} rows refused, "
        f"{sum(day.revisions for day in days):,} candles revised, "
        f"{sum(day.gate_blocks for day in days):,} batches held back, "
        f"{sum(day.differences for day in days):,} told differently by another source."
    )


def _tell_arrivals(arrivals: Sequence[Arrivals]) -> str:
    if not arrivals:
        return ""
    latest = max(arrivals, key=lambda one: one.lateness_p95_s)
    return (
        f"How they came: {describe_oddities(arrivals)}. The latest: {latest.venue} "
        f"{latest.symbol}, 95 % within {_show_seconds(latest.lateness_p95_s)} of their end."
    )


def _show_seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else show_age(timedelta(seconds=seconds))


def _day_before(at: datetime) -> Span:
    day = _settled_day(at)
    end_ms = to_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))
    return Span(end_ms - DAY_MS, end_ms)


def _checked_since(at: datetime) -> datetime:
    return at - timedelta(days=CHECKS_DAYS)


def _settled_day(at: datetime) -> date:
    """Return the UTC day that what is drawn at ``at`` ends on: yesterday is the day before it."""
    return (at - SETTLING).astimezone(UTC).date()


def _event_key(at: datetime) -> str:
    return f"quality:{_settled_day(at)}"


def _replace(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of ``path`` in one step."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"page of data quality {path} cannot be written ({error.strerror}): "
            "set quality_dir to a directory this user may write"
        ) from None
