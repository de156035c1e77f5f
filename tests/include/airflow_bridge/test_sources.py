"""Connections become sources, and a venue's wish for silence becomes a later run of the task."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowRescheduleException

from include.airflow_bridge.sources import archive, second_venue, source
from include.market.errors import InvalidInputError, RateLimitedError
from tests.support.http_server import answer, serve

BAN = answer(b'{"code":-1003,"msg":"Way too much"}', "418 Teapot", extra="Retry-After: 3600\r\n")
LONG = answer(b'{"code":-1003,"msg":"Too much"}', "429 Slow", extra="Retry-After: 999\r\n")


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch, warehouse_dsn: str, tmp_path: Path) -> None:
    parts = urlsplit(warehouse_dsn)
    point(
        monkeypatch,
        "warehouse",
        conn_type="postgres", host=parts.hostname, port=parts.port, login=parts.username,
        password=parts.password or "", schema=parts.path.removeprefix("/"),
    )  # fmt: skip
    monkeypatch.setenv("AIRFLOW_VAR_SETTINGS", json.dumps({"outbox_dir": str(tmp_path / "outbox")}))


def point(monkeypatch: pytest.MonkeyPatch, conn_id: str, **fields: object) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def messages(folder: Path) -> list[Path]:
    return sorted((folder / "outbox").glob("*.json")) or sorted((folder / "outbox").iterdir())


@pytest.mark.parametrize(("refusal", "seconds"), [(BAN, 3600), (LONG, 120)])
def test_a_long_silence_reschedules_the_task(
    monkeypatch: pytest.MonkeyPatch, refusal: bytes, seconds: int
) -> None:
    with serve(refusal) as script:
        point(monkeypatch, "binance_spot", conn_type="http", host=script.base_url)
        before = datetime.now(UTC)
        with pytest.raises(AirflowRescheduleException) as caught, source("binance_spot") as venue:
            venue.server_time_ms()
    wait = caught.value.reschedule_date - before
    assert timedelta(seconds=seconds) <= wait <= timedelta(seconds=seconds + 1200)


def test_a_ban_is_told_once_and_nobody_asks_while_it_lasts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, warehouse_dsn: str
) -> None:
    with serve(BAN) as script:
        point(monkeypatch, "binance_spot", conn_type="http", host=script.base_url)
        for _ in range(3):
            with pytest.raises(AirflowRescheduleException), source("binance_spot") as venue:
                venue.server_time_ms()
        assert len(script.requests) == 1
    with psycopg.connect(warehouse_dsn) as conn:
        told = conn.execute("SELECT kind, title FROM report.publication").fetchall()
    assert [kind for kind, _ in told] == ["ban"]
    assert told[0][1].startswith("Banned by binance_spot until")
    assert messages(tmp_path)


def test_an_archive_belongs_to_a_venue_only_when_its_connection_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point(monkeypatch, "binance_archive", conn_type="http", host="http://127.0.0.1:1")
    point(monkeypatch, "binance_spot", conn_type="http", host="http://127.0.0.1:1")
    with archive("binance_spot") as files:
        assert files is None
    point(
        monkeypatch, "binance_spot", conn_type="http", host="http://127.0.0.1:1",
        extra={"archive": "binance_archive"},
    )  # fmt: skip
    with archive("binance_spot") as files:
        assert files is not None
        assert files.market == "spot"
    with archive("ccxt:kraken") as files:
        assert files is None


@pytest.mark.parametrize("venue", ["binance_usdm", "nobody"])
def test_a_missing_connection_or_venue_is_named(venue: str) -> None:
    with pytest.raises(InvalidInputError, match=venue), source(venue):
        pass


def test_a_folder_of_files_needs_no_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ADAUSDT_1m.csv").write_text("t,o,h,l,c,v\n1700000040000,1,2,1,2,5\n")
    mapping = {
        "url": tmp_path.as_uri(), "format": "csv", "pattern": "{symbol}_{timeframe}.csv",
        "time": {"column": "t", "unit": "ms"}, "assets": {"ADAUSDT": ["ADA", "USDT"]},
        "columns": {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"},
    }  # fmt: skip
    universe = {"files:lab": {"symbols": ["ADAUSDT"], "files": mapping}}
    monkeypatch.setenv("AIRFLOW_VAR_UNIVERSE", json.dumps(universe))
    with source("files:lab") as venue:
        (record,) = venue.instruments(["ADAUSDT"])
    assert (venue.venue.name, record.base_asset) == ("files:lab", "ADA")


def test_a_second_venue_is_whom_the_universe_names_and_its_ban_stops_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = {"venue": "binance_usdm", "symbols": {"BTCUSDT": "BTCUSDT"}}
    universe = {"binance_spot": {"symbols": ["BTCUSDT"], "second_source": named}, "ccxt:b": ["X"]}
    monkeypatch.setenv("AIRFLOW_VAR_UNIVERSE", json.dumps(universe))
    assert second_venue("ccxt:b") is None
    second = second_venue("binance_spot")
    assert second is not None
    assert second.choice.symbols == {"BTCUSDT": "BTCUSDT"}
    # Nothing was opened yet, or its missing Connection would have been noticed.
    with pytest.raises(InvalidInputError, match="binance_usdm"), second.open():
        pass
    with serve(BAN) as script:
        point(monkeypatch, "binance_usdm", conn_type="http", host=script.base_url)
        with pytest.raises(RateLimitedError), second.open() as venue:
            venue.server_time_ms()


def test_a_second_venue_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"venue": "binanse", "symbols": {"BTCUSDT": "BTCUSDT"}}
    universe = {"binance_spot": {"symbols": ["BTCUSDT"], "second_source": named}}
    monkeypatch.setenv("AIRFLOW_VAR_UNIVERSE", json.dumps(universe))
    with pytest.raises(InvalidInputError, match="unknown venue 'binanse'"):
        second_venue("binance_spot")
