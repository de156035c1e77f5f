"""The tables ``make up`` and ``make status`` print."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
from rich.table import Table

from stack.keys import ADMIN, Keys
from stack.layout import Layout, StackRecord
from stack.parts import BY_NAME
from stack.river import Passage, history_span
from stack.river_queries import read_totals
from stack.supervision import PartState


def summary_rows(totals: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is in the warehouse as (name, value) pairs."""
    rows = [(f"candles {label}", f"{count:,}") for label, count in totals["candles"].items()]
    gaps = ", ".join(f"{count} {reason}" for reason, count in totals["gaps"].items())
    publications = totals["publications"]
    messages = ", ".join(f"{count} {state}" for state, count in sorted(publications.items()))
    channels = f"{totals['published']} published, {totals['declined']} declined"
    return [
        ("instruments", f"{totals['instruments']}"),
        *rows,
        ("history loaded", f"{totals['covered']:.1%}"),
        ("open gaps", gaps or "none"),
        ("quarantined rows", f"{totals['quarantined']:,} ({totals['held']} batches held)"),
        ("channels 4h", f"{totals['segments']} segments, {channels}"),
        ("messages", messages or "none"),
    ]


def place_rows(layout: Layout, record: StackRecord, keys: Keys) -> list[tuple[str, str]]:
    """Return where to look: addresses, login, folders."""
    rows = [
        ("Airflow", f"{record.airflow_url}  login {ADMIN} / {keys.admin_password}"),
        ("data quality", f"{record.airflow_url}/plugin/data-quality"),
        ("charts, messages", str(layout.outbox)),
        ("warehouse", f"make psql  (127.0.0.1:{record.postgres_port}, make env)"),
    ]
    if record.simulated:
        rows.append(("exchange", f"{record.simulator_url}/sim/info"))
    return [*rows, ("logs", f"make logs  ({layout.logs})"), ("stop", "make down")]


def summary_table(
    layout: Layout, record: StackRecord, keys: Keys, passage: Passage | None = None
) -> Table:
    """Return the closing table of ``make up``, read from the warehouse now."""
    span = passage.span if passage is not None else history_span(record, datetime.now(UTC))
    with psycopg.connect(keys.warehouse_url(record), connect_timeout=10) as connection:
        totals = read_totals(connection, span, record.symbols)
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in summary_rows(totals):
        table.add_row(name, value)
    if passage is not None:
        times = ", ".join(
            f"{stage} {seconds:.0f}" for stage, seconds in passage.stage_seconds.items()
        )
        table.add_row("seconds until", times)
    table.add_section()
    for name, value in place_rows(layout, record, keys):
        table.add_row(name, value)
    return table


def status_table(record: StackRecord, states: Mapping[str, PartState]) -> Table:
    """Return one row per part: state, pid, uptime, port."""
    table = Table("part", "state", "pid", "up", "port", box=None, pad_edge=False)
    for name, part in BY_NAME.items():
        if name not in states:
            continue
        state = states[name]
        port = str(part.port(record)) if part.port else ""
        pid = str(state.pid) if state.pid else ""
        table.add_row(name, state.state.lower(), pid, duration(state.uptime_s), port)
    return table


def duration(seconds: int) -> str:
    """Return whole seconds as people say them: ``42s``, ``3m05s``, ``2h07m``."""
    if seconds <= 0:
        return ""
    if seconds < 60:
        return f"{seconds}s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"
