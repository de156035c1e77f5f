"""What an audit found: where, what, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from include.warehouse.engine import Connection
from include.warehouse.statements import statement

_OPEN_ENDED: Final = timedelta(minutes=1)
_COLUMNS: Final = (
    *("finding_id", "check", "relation", "instrument_id", "span_start", "span_end"),
    *("detail", "repair", "symbol"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong; ``span_end`` is exclusive. Nulls where a row has no instrument or time."""

    check: str
    relation: str
    instrument_id: int | None
    span_start: datetime | None
    span_end: datetime | None
    detail: str
    repair: str
    finding_id: int | None = None
    symbol: str | None = None

    @property
    def key(self) -> tuple[str, str, int | None, datetime | None]:
        """Return what makes two findings one."""
        return self.check, self.relation, self.instrument_id, self.span_start

    def as_text(self) -> str:
        """Return it as two lines for people: what is wrong, and below it what to do."""
        number = f"#{self.finding_id} " if self.finding_id is not None else ""
        return f"{number}{self.check}: {self.where}: {self.detail}\n    repair: {self.repair}"

    @property
    def where(self) -> str:
        """Return table, instrument and time in words."""
        named = f" ({self.symbol})" if self.symbol else ""
        whose = f" instrument {self.instrument_id}{named}" if self.instrument_id is not None else ""
        when = f" {_span_text(self.span_start, self.span_end)}" if self.span_start else ""
        return f"{self.relation}{whose}{when}"


def note_findings(
    connection: Connection, findings: Iterable[Finding], *, began_at: datetime
) -> None:
    """Note what the audit that ``began_at`` found, and what it no longer found; no commit here."""
    noted = list(_distinct(findings))
    connection.execute(
        statement("audit/note_findings"),
        {
            "check_names": [finding.check for finding in noted],
            "relations": [finding.relation for finding in noted],
            "instrument_ids": [finding.instrument_id for finding in noted],
            "starts": [finding.span_start for finding in noted],
            "ends": [finding.span_end for finding in noted],
            "details": [finding.detail for finding in noted],
            "repairs": [finding.repair for finding in noted],
        },
    )
    connection.execute(statement("audit/end_findings"), {"began_at": began_at})


def open_findings(connection: Connection, *, untold_only: bool = False) -> list[Finding]:
    """Return what the last audit found and nobody accepted, oldest first."""
    rows = connection.execute(
        statement("audit/open_findings"), {"untold_only": untold_only}
    ).fetchall()
    return [Finding(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def mark_told(connection: Connection, findings: Iterable[Finding]) -> None:
    """Note that somebody was told of ``findings``; no commit here."""
    told = [finding.finding_id for finding in findings]
    connection.execute(statement("audit/mark_told"), {"finding_ids": told})


def _distinct(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Return one finding per key, with the details of all that share it."""
    kept: dict[object, Finding] = {}
    for finding in findings:
        known = kept.get(finding.key)
        if known is None:
            kept[finding.key] = finding
        elif finding.detail not in known.detail:
            kept[finding.key] = Finding(
                check=finding.check,
                relation=finding.relation,
                instrument_id=finding.instrument_id,
                span_start=finding.span_start,
                span_end=finding.span_end,
                detail=f"{known.detail}; {finding.detail}",
                repair=finding.repair,
            )
    return kept.values()


def _span_text(start: datetime, end: datetime | None) -> str:
    if end is None or end - start <= _OPEN_ENDED:
        return f"{start:%Y-%m-%d %H:%M:%S}Z"
    return f"{start:%Y-%m-%d %H:%M}Z to {end:%Y-%m-%d %H:%M}Z"
