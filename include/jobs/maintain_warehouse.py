"""Keep the warehouse in order: months ahead, retention, vacuum, the audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from include.jobs.deliver import make_known
from include.market.settings import Settings
from include.notify.sender import Message, Sender
from include.warehouse.audit.finding import Finding, mark_told, open_findings
from include.warehouse.audit.run import run_audit
from include.warehouse.engine import Connection
from include.warehouse.models import prune_segments
from include.warehouse.quality_runs import prune_quality_runs
from include.warehouse.retention import LandedFiles, remove_landed_files, retire_months
from include.warehouse.upkeep import create_months_ahead, drop_leftovers, vacuum_filled

SHOWN: Final = 8
"""So many findings are told one by one; the rest is counted."""
THOROUGH_WEEKDAY: Final = 6
"""On Sundays every row is held against every check, otherwise what is not closed."""


class RemovablePath(Protocol):
    """What we need of a path: ``pathlib.Path`` has it, and Airflow's ObjectStoragePath."""

    def unlink(self, missing_ok: bool = False) -> Any:
        """Remove the object."""
        ...


def prepare_months(conn: Connection, settings: Settings, *, at: datetime) -> dict[str, int]:
    """Create the months to come and retire those the policy no longer keeps; count both."""
    created = create_months_ahead(conn, at=at)
    retired = retire_months(conn, settings.retention_months, at=at)
    return {"created": created, "retired": len(retired)}


def remove_old_files(
    conn: Connection,
    open_path: Callable[[str], RemovablePath],
    settings: Settings,
    *,
    at: datetime,
) -> dict[str, int]:
    """Remove landed files that were loaded long ago; count the landings."""

    def remove(files: LandedFiles) -> None:
        for path in (files.path, files.clean_path):
            if path is not None:
                open_path(path).unlink(missing_ok=True)

    older_than = timedelta(days=settings.landing_days)
    return {"landings": remove_landed_files(conn, remove, older_than=older_than, at=at)}


def tidy_up(conn: Connection, settings: Settings, *, at: datetime) -> dict[str, int]:
    """Drop leftovers of interrupted loads, forget old runs of suites, vacuum and analyze; count."""
    dropped = drop_leftovers(conn)
    before = at - timedelta(days=settings.quality_run_days)
    forgotten = prune_quality_runs(conn, before=before)
    # What was never shown can be computed again, bit for bit: see include.jobs.reproduce_fit.
    segments = prune_segments(conn, before=at - timedelta(days=settings.model_details_days))
    return {
        "dropped": dropped,
        "forgotten": forgotten,
        "segments": segments,
        "vacuumed": len(vacuum_filled(conn)),
    }


def audit_warehouse(conn: Connection, sender: Sender, *, at: datetime) -> dict[str, int]:
    """Audit everything stored and tell once of what is wrong; count findings and closed months."""
    report = run_audit(conn, at=at, thorough=at.weekday() == THOROUGH_WEEKDAY)
    tell_findings(conn, sender, at=at)
    return {"findings": len(report.findings), "months_closed": report.months_closed}


def tell_findings(conn: Connection, sender: Sender, *, at: datetime) -> int:
    """Tell of the findings nobody was told of yet, in one message; return how many.

    Raises:
        CandlewickError: it could not be sent; the next run tries again.
    """
    untold = open_findings(conn, untold_only=True)
    if not untold:
        return 0
    if not make_known(conn, sender, _message(untold, at), kind="audit"):
        return 0
    mark_told(conn, untold)
    return len(untold)


def _message(findings: Sequence[Finding], at: datetime) -> Message:
    shown = [f"{finding.check}: {finding.where}: {finding.detail}" for finding in findings[:SHOWN]]
    rest = len(findings) - len(shown)
    more = [f"and {rest} more"] if rest else []
    numbers = [finding.finding_id for finding in findings]
    return Message(
        title=f"The audit found {len(findings)} thing(s) wrong in the warehouse",
        text="\n".join([*shown, *more, "make audit shows all, with the way to repair each."])[
            :1800
        ],
        event_key=f"audit:{numbers[0]}-{numbers[-1]}-{len(numbers)}",
        event_time=at,
    )
