"""The tables of the quality page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from include.report.coverage import STATES
from include.report.quality_lines import (
    CheckLine,
    ComparisonLine,
    DifferenceLine,
    DriftLine,
    OpenGapLine,
    OutageLine,
)
from include.report.quality_numbers import show_age, show_time
from include.report.quality_page import PageTable

_LABEL = {state.name: state.label for state in STATES}


def gap_table(gaps: Sequence[OpenGapLine], gap_count: int) -> PageTable:
    """Return the table of open gaps, the longest first."""
    more = f"The longest {len(gaps)} of {gap_count:,}." if gap_count > len(gaps) else ""
    return PageTable(
        title="Open gaps nobody has explained",
        columns=(
            "Instrument",
            "Venue",
            "From",
            "To",
            "Minutes",
            "Reason",
            "Looks",
            "Found",
            "Next look",
        ),
        rows=[
            (
                gap.symbol,
                gap.venue,
                show_time(gap.start),
                show_time(gap.end),
                f"{(gap.end - gap.start) // timedelta(minutes=1):,}",
                _LABEL.get(gap.reason, gap.reason),
                str(gap.looks),
                show_time(gap.found_at),
                _next_look(gap),
            )
            for gap in gaps
        ],
        empty="None: every absent minute has its reason and its proof.",
        numbers=frozenset({4, 6}),
        note=more,
    )


def outage_table(outages: Sequence[OutageLine]) -> PageTable:
    """Return the table of outages of venues, the newest first."""
    return PageTable(
        title="Outages of venues",
        columns=("Venue", "From", "To", "Length", "Instruments", "Known from", "Note"),
        rows=[
            (
                one.venue,
                show_time(one.start),
                show_time(one.end),
                show_age(one.end - one.start),
                str(one.instruments),
                one.source,
                one.note,
            )
            for one in outages
        ],
        empty="None is known in these days.",
        numbers=frozenset({4}),
    )


def check_table(checks: Sequence[CheckLine]) -> PageTable:
    """Return the table of the newest run of every suite."""
    return PageTable(
        title="Checks: newest run of every suite",
        columns=(
            "Suite",
            "Over",
            "By",
            "Run",
            "Rows",
            "Expectations",
            "Block",
            "Warn",
            "Info",
            "Verdict",
        ),
        rows=[
            (
                one.suite,
                one.dataset,
                one.checkpoint,
                show_time(one.run_at),
                f"{one.rows:,}",
                str(one.expectations),
                str(one.failed_block),
                str(one.failed_warn),
                str(one.failed_info),
                "passed" if one.success else "failed",
            )
            for one in checks
        ],
        empty="No suite has run yet: check_warehouse runs them daily.",
        numbers=frozenset(range(4, 9)),
        note="Block, Warn and Info count the expectations of that severity that were not met.",
    )


def drift_table(drifts: Sequence[DriftLine]) -> PageTable:
    """Return the table of drifts that last, the newest first."""
    return PageTable(
        title="Drifts that last",
        columns=("Instrument", "Venue", "Timeframe", "What", "Began", "Found", "Models", "Detail"),
        rows=[
            (
                one.symbol,
                one.venue,
                one.timeframe,
                one.measure,
                show_time(one.began_at),
                show_time(one.found_at),
                "accepted" if one.is_accepted else one.advice,
                one.detail,
            )
            for one in drifts
        ],
        empty="None.",
    )


def comparison_table(comparisons: Sequence[ComparisonLine]) -> PageTable:
    """Return the table of which sources were held against each other."""
    return PageTable(
        title="Sources held against each other",
        columns=(
            "Venue",
            "Timeframe",
            "Between",
            "Instruments",
            "Candles",
            "Equal",
            "Rounding",
            "Incomplete",
            "Differing",
            "Up to",
        ),
        rows=[
            (
                one.venue,
                one.timeframe,
                f"{one.left} and {one.right}",
                *(
                    f"{count:,}"
                    for count in (
                        one.instruments,
                        one.compared,
                        one.equal,
                        one.rounding,
                        one.incomplete,
                        one.differing,
                    )
                ),
                show_time(one.newest),
            )
            for one in comparisons
        ],
        empty="None in these days: check_warehouse compares a sample daily.",
        numbers=frozenset(range(3, 9)),
    )


def difference_table(differences: Sequence[DifferenceLine]) -> PageTable:
    """Return the table of what the sources still tell differently, the most frequent first."""
    return PageTable(
        title="What sources tell differently",
        columns=("Instrument", "Venue", "Timeframe", "Between", "Kind", "Candles", "Newest"),
        rows=[
            (
                one.symbol,
                one.venue,
                one.timeframe,
                f"{one.left} and {one.right}",
                one.kind.replace("left", one.left).replace("right", one.right).replace("_", " "),
                f"{one.candles:,}",
                show_time(one.newest),
            )
            for one in differences
        ],
        empty="Nothing: what was compared agrees.",
        numbers=frozenset({5}),
    )


def _next_look(gap: OpenGapLine) -> str:
    if gap.given_up_at is not None:
        return f"given up {show_time(gap.given_up_at)}"
    return show_time(gap.next_look_at) or "at once"
