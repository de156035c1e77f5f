"""Words for people: what flowed through the river, what a chart shows, what went wrong.

Text from outside (symbols, exception texts) is reduced to printable ASCII and cut before use, so
that it can neither forge a log line nor break out of a message's markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from include.channels.channel import ChannelFit
from include.market.timeframe import TIMEFRAMES

MESSAGE_LIMIT = 1800
"""Discord refuses content above 2000 characters; the sender adds the title."""
REASON_LIMIT = 600
TASK_LIMIT = 60
NAME_LIMIT = 120
TASKS_SHOWN = 8
BASIS_POINT = 1e-4

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_LINK = re.compile(r"https?://[A-Za-z0-9.\-:\[\]]+(?:/[A-Za-z0-9._~%/?&=+:\-]*)?")
_CREDENTIALS = re.compile(r"(//)[^/\s@]+@|(/webhooks/\d+/)[^\s/?\"']+|(/bot)\d+:[^\s/?\"']+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiverCounts:
    """What the warehouse holds of [span_start, span_end): the numbers of one summary.

    ``candles`` are row counts by timeframe label, ``gaps`` open gaps by reason.
    """

    span_start: datetime
    span_end: datetime
    candles: Mapping[str, int]
    gaps: Mapping[str, int]
    quarantined: int
    segments: int
    channels_published: int
    channels_declined: int


def printable(text: object, limit: int) -> str:
    """Return ``text`` as one line of printable ASCII, at most ``limit`` characters long.

    White space of any kind becomes one blank, other characters ``?``, back ticks ``'``; text cut
    short ends in ``...``.
    """
    line = _UNPRINTABLE.sub("?", " ".join(str(text).split())).replace("`", "'")
    return line if len(line) <= limit else line[: max(limit - 3, 0)] + "..."[:limit]


def river_summary(counts: RiverCounts) -> str:
    """Return a fixed-width table in a code fence, at most 1800 characters.

    Timeframes come finest first, gaps by count; more than six reasons are added up as ``other``.
    """
    known = [label for label in TIMEFRAMES if label in counts.candles]
    others = sorted(set(counts.candles) - set(TIMEFRAMES))
    rows = [(f"candles {printable(label, 8)}", counts.candles[label]) for label in known + others]
    rows += [("gaps open", sum(counts.gaps.values())), *_list_gaps(counts.gaps)]
    rows += [
        ("rows quarantined", counts.quarantined),
        ("trend segments", counts.segments),
        ("channels published", counts.channels_published),
        ("channels declined", counts.channels_declined),
    ]
    span = f"{_show_time(counts.span_start)} to {_show_time(counts.span_end)} UTC (end excluded)"
    return f"{span}\n```\n{_draw_table(rows)}\n```"


def channel_caption(title: str, fit: ChannelFit) -> str:
    """Return two to four lines for below a chart: verdict, losses, why declined, newest trend."""
    verdict = "published" if fit.published else "declined"
    lines = [f"{printable(title, NAME_LIMIT)}, {fit.timeframe.label} channel: {verdict}"]
    lines.append(describe_verdict(fit))
    if fit.out_of_sample_loss is not None and fit.declined_reason is not None:
        lines.append(f"Declined: {printable(fit.declined_reason, REASON_LIMIT)}")
    newest = fit.newest
    if newest is not None:
        lines.append(
            f"Newest trend since {_show_time(newest.start_time)} UTC, {newest.candles} candles, "
            f"{newest.slope_per_hour * 24 / BASIS_POINT:+.1f} bp a day"
        )
    return "\n".join(lines)


def describe_verdict(fit: ChannelFit) -> str:
    """Return one line saying why a channel is shown or not; losses in basis points of price."""
    if fit.out_of_sample_loss is None or fit.baseline_loss is None:
        reason = printable(fit.declined_reason or "not judged", 140)
        return reason[:1].upper() + reason[1:]
    return (
        f"Out-of-sample pinball loss {fit.out_of_sample_loss / BASIS_POINT:.1f} bp against "
        f"{fit.baseline_loss / BASIS_POINT:.1f} bp of a random walk "
        f"({fit.forecasts} forecasts, up to {fit.horizon} candles ahead)"
    )


def failure_message(
    *, dag_id: str, run_id: str, task_ids: Sequence[str], reason: str, ui_url: str
) -> str:
    """Return the text of one failure alert, at most 1800 printable ASCII characters.

    Passwords in URLs and webhook or bot tokens in ``reason`` are blacked out. A ``ui_url`` that is
    not a plain http or https link is left out. At most eight task ids are named.
    """
    shown = [printable(task, TASK_LIMIT) for task in task_ids[:TASKS_SHOWN]]
    if len(task_ids) > TASKS_SHOWN:
        shown.append(f"and {len(task_ids) - TASKS_SHOWN} more")
    lines = [
        f"DAG `{printable(dag_id, NAME_LIMIT)}` failed",
        f"Run: `{printable(run_id, NAME_LIMIT)}`",
        f"Tasks: {', '.join(shown) or 'none named'}",
        f"Reason: `{printable(_hide_credentials(reason), REASON_LIMIT) or 'none given'}`",
    ]
    if len(ui_url) <= 2 * NAME_LIMIT and _LINK.fullmatch(ui_url):
        lines.append(f"Log: <{ui_url}>")
    return _cut_lines(lines, MESSAGE_LIMIT)


def _hide_credentials(text: str) -> str:
    return _CREDENTIALS.sub(lambda found: "".join(filter(None, found.groups())) + "***", text)


def _cut_lines(lines: Iterable[str], limit: int) -> str:
    """Join as many whole lines as fit, so that no markup is cut open."""
    text = ""
    for line in lines:
        longer = f"{text}\n{line}" if text else line
        if len(longer) <= limit:
            text = longer
    return text


def _list_gaps(gaps: Mapping[str, int]) -> list[tuple[str, int]]:
    ranked = sorted(gaps.items(), key=lambda item: (-item[1], item[0]))
    rows = [(f"  {printable(reason, 20)}", count) for reason, count in ranked[:6]]
    rest = sum(count for _, count in ranked[6:])
    return [*rows, ("  other", rest)] if rest else rows


def _draw_table(rows: Sequence[tuple[str, int]]) -> str:
    wide = max(len(name) for name, _ in rows)
    figures = [f"{count:,}" for _, count in rows]
    digits = max(len(figure) for figure in figures)
    return "\n".join(
        f"{name:<{wide}}  {figure:>{digits}}"
        for (name, _), figure in zip(rows, figures, strict=True)
    )


def _show_time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"
