"""What must be true before anything is started; each failure is one line with its remedy."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests

from include.market.errors import InvalidInputError
from stack.airflow_settings import load_settings_file
from stack.environment import SETTINGS_FILE, VENUE
from stack.layout import HOST, Layout, StackRecord
from stack.parts import parts_of
from stack.settings import StackSettings

MIN_PYTHON = (3, 11)
OWN_FOLDERS = ("secrets", "logs", "run", "airflow", "landing", "outbox", "quality")
MIN_FREE_BYTES = 2_000_000_000
BINANCE_URL = "https://data-api.binance.vision"


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> None:
    """Refuse a Python that is too old.

    Raises:
        InvalidInputError: it is.
    """
    if version < MIN_PYTHON:
        raise InvalidInputError(
            f"Python {'.'.join(map(str, version))} is too old, 3.11 or newer is needed: "
            "run make with PYTHON=/path/to/python3.11"
        )


def check_folder(state: Path, min_free_bytes: int = MIN_FREE_BYTES) -> None:
    """Refuse a state folder that cannot be written, or a disk that is nearly full.

    Raises:
        InvalidInputError: either.
    """
    ancestor = next(path for path in (state, *state.parents) if path.exists())
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise InvalidInputError(
            f"STATE={state}: {ancestor} is not writable; choose another folder with STATE=PATH"
        )
    for name in OWN_FOLDERS:
        folder = state / name
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise InvalidInputError(
                f"STATE={state}: {folder} belongs to another user; run make as that user, or "
                "choose another folder with STATE=PATH"
            )
    free = shutil.disk_usage(ancestor).free
    if free < min_free_bytes:
        raise InvalidInputError(
            f"STATE={state}: only {free / 1e9:.1f} GB are free, {min_free_bytes / 1e9:.0f} GB are "
            "needed; free some or choose another disk with STATE=PATH"
        )


def check_ports(record: StackRecord) -> None:
    """Refuse ports that something else listens on; ours must have been stopped before.

    Raises:
        InvalidInputError: a port is taken, with who holds it where that can be seen.
    """
    for part in parts_of(record):
        port = part.port(record) if part.port else None
        if port is not None and not _is_free(port):
            derived = "" if port == record.port else f" (PORT={record.port} + {port - record.port})"
            raise InvalidInputError(
                f"port {port}{derived} for {part.name} is in use{_holder(port)}: "
                f"stop that, or choose another with PORT={_suggested_port(record.port)}"
            )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do; without it a port just closed would look taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    try:
        for link in psutil.net_connections("tcp"):
            if link.status == psutil.CONN_LISTEN and link.laddr[1:] == (port,) and link.pid:
                return f" by {psutil.Process(link.pid).name()} (pid {link.pid})"
    except psutil.Error:
        return ""
    return ""


def _suggested_port(taken: int) -> int:
    candidates = (taken + offset for offset in range(10_000, 50_000, 100))
    for base in (candidate for candidate in candidates if candidate < 65_000):
        if all(_is_free(base + offset) for offset in range(3)):
            return base
    return 18080


def check_same_data(settings: StackSettings, previous: StackRecord | None) -> None:
    """Refuse to pour one source's candles over another's.

    Raises:
        InvalidInputError: the state folder holds data of another SOURCE or SEED.
    """
    if previous is None:
        return
    held = f"SOURCE={previous.source}"
    if previous.source == "simulator":
        held += f" SEED={previous.seed}"
    same_seed = previous.source != "simulator" or previous.seed == settings.seed
    if previous.source != str(settings.source) or not same_seed:
        raise InvalidInputError(
            f"STATE={settings.state} holds data of {held}: go on with those by make up {held}, or "
            f"give SOURCE={settings.source} a folder of its own, "
            f"e.g. STATE={settings.state}-{settings.source.kind}"
        )


def check_binance(base_url: str, timeout_s: float = 10.0) -> None:
    """Refuse SOURCE=binance while the venue does not answer its ping.

    Raises:
        InvalidInputError: it is unreachable or refuses us.
    """
    url = f"{base_url.rstrip('/')}/api/v3/ping"
    try:
        answer = requests.get(url, timeout=timeout_s, allow_redirects=False)
    except requests.RequestException as error:
        reason = type(error).__name__
    else:
        if answer.status_code == requests.codes.ok:
            return
        reason = f"HTTP {answer.status_code}"
    raise InvalidInputError(
        f"SOURCE=binance: {url} does not answer ({reason}); check the network, or run with "
        "SOURCE=simulator"
    )


def binance_base_url(layout: Layout, inherited: Mapping[str, str]) -> str:
    """Return the venue's address: the caller's Connection, else the declared, else the public."""
    given = inherited.get(f"AIRFLOW_CONN_{VENUE.upper()}", "")
    if given.startswith("{"):
        return _url_of(json.loads(given).get("host", "")) or BINANCE_URL
    if given:
        return f"https://{urlsplit(given).netloc}"
    declared = load_settings_file(layout.root / SETTINGS_FILE).connections.get(VENUE)
    host = declared.get("host", "") if isinstance(declared, dict) else ""
    return _url_of(host) or BINANCE_URL


def _url_of(host: str) -> str:
    return host if not host or "://" in host else f"https://{host}"


def check_all(
    settings: StackSettings,
    previous: StackRecord | None,
    inherited: Mapping[str, str],
) -> None:
    """Run every check for a stack that is not running.

    Raises:
        InvalidInputError: the first check that fails.
    """
    check_python()
    check_folder(settings.state)
    check_same_data(settings, previous)
    check_ports(StackRecord.from_settings(settings))
    if settings.source.kind == "binance":
        check_binance(binance_base_url(Layout(settings.state), inherited))
