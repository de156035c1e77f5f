"""What a run of a suite found: the same form for the gate and for the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from include.market.span import Span

Severity = Literal["block", "warn", "info"]

SEVERITIES: Final[tuple[Severity, ...]] = ("block", "warn", "info")
"""How grave it is when an expectation is not met, the gravest first.

``block``: what is wrong must not go on: at the gate the row goes to quarantine, and the batch is
held when too many do; in the warehouse somebody is told. ``warn``: recorded and shown.
``info``: recorded.
"""


MOST_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class ExpectationOutcome:
    """What one expectation found; ``examples`` are JSON-able, ``unexpected_percent`` is 0 to 100.

    ``columns`` are those it looks at, ``rule`` is what it guards.
    """

    expectation: str
    columns: tuple[str, ...]
    rule: str
    severity: Severity
    success: bool
    unexpected_count: int = 0
    unexpected_percent: float = 0.0
    examples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """One run of one suite over one batch, at ``run_at`` (aware, UTC; None: when it is stored).

    ``batch`` names the rows in words; ``span`` holds their times, None where they have none.
    """

    checkpoint: str
    suite: str
    dataset: str
    batch: str
    span: Span | None
    rows: int
    engine: str
    run_at: datetime | None
    expectations: Sequence[ExpectationOutcome] = field(default_factory=tuple)

    @property
    def success(self) -> bool:
        """Whether every expectation of severity ``block`` was met."""
        return not self.failed("block")

    def failed(self, severity: Severity) -> list[ExpectationOutcome]:
        """Return the expectations of ``severity`` that were not met, in the suite's order."""
        return [
            found for found in self.expectations if found.severity == severity and not found.success
        ]


def add_entries(entries: Sequence[Mapping[str, Any]], rows: int) -> ExpectationOutcome:
    """Add up what one expectation found in the batches of a run with ``rows`` rows in all.

    Each of ``entries`` is an entry of a verdict's ``results["expectations"]``; the first batches
    give the examples.
    """
    first = entries[0]
    count = sum(entry["unexpected_count"] for entry in entries)
    kind, _, columns = str(first["name"]).partition("(")
    examples = [example for entry in entries for example in entry["examples"]]
    return ExpectationOutcome(
        expectation=kind,
        columns=tuple(columns.removesuffix(")").split(", ")) if columns else (),
        rule=first["rule"],
        severity=first["severity"],
        success=count == 0,
        unexpected_count=count,
        unexpected_percent=100 * count / rows if count else 0.0,
        examples=examples[:MOST_EXAMPLES],
    )
