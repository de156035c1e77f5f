"""Connections and Variables of Airflow become plain values for the rooms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import psycopg
from airflow.sdk import BaseHook, Connection, ObjectStoragePath, Variable
from airflow.sdk.exceptions import AirflowNotFoundException

from include.exchanges.registry import require_known
from include.market.errors import InvalidInputError
from include.market.settings import Settings, parse_settings
from include.market.universe import Universe, parse_universe
from include.notify.discord import DiscordSender
from include.notify.outbox import OutboxSender
from include.notify.sender import Sender
from include.warehouse.engine import connect


def now() -> datetime:
    """Return the instant a task acts at, UTC: jobs are told the time, they do not ask."""
    return datetime.now(UTC)


def load_universe() -> Universe:
    """Return the instruments to follow, from Variable ``universe``."""
    text = Variable.get("universe", default=None)
    if text is None:
        raise InvalidInputError(
            'Variable universe is missing: set it to e.g. {"binance_spot": ["BTCUSDT"]}'
        )
    return require_known(parse_universe(text))


def load_settings() -> Settings:
    """Return the tunables, from Variable ``settings`` over the defaults."""
    return parse_settings(Variable.get("settings", default=None) or "{}")


def warehouse_dsn() -> str:
    """Return the warehouse's address as a PostgreSQL URI, from Connection ``warehouse``."""
    connection = find_connection(
        "warehouse", hint="a postgres connection to the warehouse database"
    )
    login = f"{quote(connection.login or '', safe='')}:{quote(connection.password or '', safe='')}"
    database = quote(connection.schema or "warehouse", safe="")
    return f"postgresql://{login}@{connection.host}:{connection.port or 5432}/{database}"


@contextmanager
def warehouse(application: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Yield an autocommit connection to the warehouse; jobs open their transactions themselves."""
    conn = connect(warehouse_dsn(), application=application, autocommit=True)
    try:
        yield conn
    finally:
        conn.close()


def storage_path(url: str) -> ObjectStoragePath:
    """Return the object at ``url`` (any fsspec address)."""
    return ObjectStoragePath(url)


def base_url(connection: Connection) -> str:
    """Return the base URL of an HTTP Connection, however its parts were written.

    Airflow splits ``https://host`` differently by whether it was given as a URI, JSON or fields.
    """
    host = connection.host or ""
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else None
        host = f"{scheme or ('http' if connection.conn_type == 'http' else 'https')}://{host}"
    if connection.port and urlsplit(host).port is None:
        host = f"{host}:{connection.port}"
    return host


def sender() -> Sender:
    """Return Discord when its Connection exists, the file outbox otherwise."""
    try:
        connection = BaseHook.get_connection("discord")
    except AirflowNotFoundException:
        connection = None
    if connection is None or not connection.password:
        return OutboxSender(load_settings().outbox_dir)
    return DiscordSender(
        webhook_id=connection.login or "",
        token=connection.password,
        base_url=base_url(connection),
        allow_loopback=bool(connection.extra_dejson.get("allow_loopback")),
    )


def find_connection(conn_id: str, *, hint: str) -> Connection:
    """Return a Connection.

    Raises:
        InvalidInputError: there is none of that name; the message carries ``hint``.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise InvalidInputError(
            f"Connection {conn_id} is missing: create it as {hint}, "
            f"or set AIRFLOW_CONN_{conn_id.upper()}"
        ) from None
