"""Published channels, and what became of them.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from include.market.span import Span, to_ms
from include.market.timeframe import Timeframe
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class PublishedChannel:
    """The newest segment of a fit that was published, as it was shown.

    It begins at ``start_ms`` and was fitted on candles before ``end_ms``. ``lines`` are intercept,
    slope per hour and calibration per tau; ``rival`` what the baseline foretold, a row per step.
    """

    channel_id: int
    instrument_id: int
    start_ms: int
    end_ms: int
    taus: tuple[float, ...]
    lines: tuple[tuple[float, float, float], ...]
    rival: tuple[tuple[float, ...], ...]

    @property
    def horizon(self) -> int:
        """How many candles ahead it is scored."""
        return len(self.rival)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A published channel against one candle that came after it; see model.channel_outcome."""

    channel_id: int
    step: int
    tau: float
    close_time: datetime
    loss: float
    baseline_loss: float
    is_below: bool


def published_near(
    connection: Connection, timeframe: Timeframe, spans: Mapping[int, Span], *, reach_ms: int
) -> list[PublishedChannel]:
    """Return the published channels that end within ``spans`` or up to ``reach_ms`` before them.

    ``spans`` are by instrument, half-open.
    """
    values = {
        "timeframe": timeframe.label,
        "instrument_ids": list(spans),
        "span_starts": [span.start_time for span in spans.values()],
        "span_ends": [span.end_time for span in spans.values()],
        "reach": f"{reach_ms} milliseconds",
    }
    return [
        PublishedChannel(
            channel_id,
            instrument_id,
            to_ms(start),
            to_ms(end),
            tuple(taus),
            tuple(zip(intercepts, slopes, calibrations, strict=True)),
            tuple(tuple(row) for row in steps),
        )
        for (
            channel_id, instrument_id, start, end, steps, taus, intercepts, slopes, calibrations
        ) in connection.execute(statement("model/published_near"), values)
    ]  # fmt: skip


def replace_outcomes(
    connection: Connection, channel_ids: Sequence[int], outcomes: Sequence[Outcome]
) -> None:
    """Make ``outcomes`` all that is stored of ``channel_ids``; rows that say the same stay."""
    if not channel_ids:
        return
    columns = list(zip(*(astuple(outcome) for outcome in outcomes), strict=True)) or [()] * 7
    names = ("told", "steps", "taus", "close_times", "losses", "baseline_losses", "belows")
    values = {name: list(column) for name, column in zip(names, columns, strict=True)}
    values["channel_ids"] = list(channel_ids)
    with database_errors(f"scoring {len(channel_ids)} published channels"):
        connection.execute(statement("model/drop_outcomes"), values)
        connection.execute(statement("model/write_outcomes"), values)
