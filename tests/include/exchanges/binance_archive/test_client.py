"""Checksum, zip, rows: over a loopback server that answers what each test scripts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.market.errors import ContractError, InvalidInputError, SourceUnavailableError
from include.market.rate_limit import RateLimit
from tests.support.archive import checksum, day_file, kline, text_of, zipped
from tests.support.http_server import Script, answer, serve

FILE = day_file()
TEXT = text_of([kline(minute, per_ms=1000) for minute in range(30)])
PACKED = zipped(TEXT, FILE.csv_name)
OTHER = zipped(text_of([kline(minute, per_ms=1000) for minute in range(29)]), FILE.csv_name)
ABSENT = answer(b"<?xml version='1.0'?><Error/>", "404 Not Found", kind="application/xml")


def sent(body: bytes, kind: str = "application/octet-stream") -> bytes:
    return answer(body, kind=kind)


@contextmanager
def archive(*answers: bytes) -> Iterator[tuple[BinanceArchive, Script, list[float]]]:
    pauses: list[float] = []
    governor = LocalGovernor(RateLimit("archive", 6000))
    with serve(*answers) as script:
        settings = HttpSettings(attempts=1)
        client = HttpClient(script.base_url, settings, governor=governor)
        yield BinanceArchive(client, market="spot", sleep=pauses.append), script, pauses
        client.close()


def test_the_checksum_is_asked_for_first_and_the_rows_come_with_it() -> None:
    with archive(sent(checksum(FILE, PACKED)), sent(PACKED)) as (client, script, _):
        found = client.read_candles(FILE)
    assert found is not None
    assert len(found.rows) == 30
    assert found.sha256 == hashlib.sha256(PACKED).hexdigest()
    assert found.size_bytes == len(PACKED)
    assert script.requests == [
        f"GET {FILE.path}.CHECKSUM HTTP/1.1",
        f"GET {FILE.path} HTTP/1.1",
    ]


def test_a_content_type_proves_nothing_in_either_direction() -> None:
    with archive(sent(checksum(FILE, PACKED), "image/png"), sent(PACKED, "text/plain")) as found:
        assert found[0].read_candles(FILE) is not None


def test_what_is_not_published_is_none_and_no_error() -> None:
    with archive(ABSENT) as (client, script, pauses):
        assert client.read_candles(FILE) is None
        assert client.published_sha256(FILE) is None
    assert len(script.requests) == 2
    assert pauses == []


def test_the_published_checksum_alone_tells_of_a_replaced_file() -> None:
    with archive(sent(checksum(FILE, PACKED)), sent(checksum(FILE, OTHER))) as (client, script, _):
        assert client.published_sha256(FILE) != client.published_sha256(FILE)
    assert all(line.split()[1].endswith(".CHECKSUM") for line in script.requests)


def test_a_file_replaced_between_the_two_requests_is_read_whole_the_second_time() -> None:
    answers = [checksum(FILE, OTHER), PACKED, checksum(FILE, PACKED), PACKED]
    with archive(*map(sent, answers)) as (client, script, pauses):
        found = client.read_candles(FILE)
    assert found is not None
    assert found.sha256 == hashlib.sha256(PACKED).hexdigest()
    assert len(script.requests) == 4
    assert len(pauses) == 1


def test_a_checksum_that_never_fits_ends_after_three_tries() -> None:
    answers = [checksum(FILE, OTHER), PACKED] * 3
    with (
        archive(*map(sent, answers)) as (client, script, pauses),
        pytest.raises(SourceUnavailableError, match="3 times"),
    ):
        client.read_candles(FILE)
    assert len(script.requests) == 6
    assert len(pauses) == 2


def test_a_damaged_zip_is_never_opened_because_its_checksum_is_looked_at_first() -> None:
    broken = PACKED[:-10]
    answers = [checksum(FILE, PACKED), broken, checksum(FILE, PACKED), PACKED]
    with archive(*map(sent, answers)) as (client, _, pauses):
        assert client.read_candles(FILE) is not None
    assert len(pauses) == 1


def test_a_zip_that_vanished_behind_its_checksum_is_asked_for_again() -> None:
    fine = [sent(checksum(FILE, PACKED)), sent(PACKED)]
    with archive(fine[0], ABSENT, *fine) as (client, _, pauses):
        assert client.read_candles(FILE) is not None
    assert len(pauses) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not found",
        b"0" * 64,
        b"0" * 63 + b"  " + FILE.path.rpartition("/")[2].encode(),
        checksum(day_file(day=1), PACKED),
    ],
    ids=["empty", "prose", "no name", "short", "another file"],
)
def test_a_checksum_that_is_none_is_refused(body: bytes) -> None:
    with (
        archive(sent(body)) as (client, _, _),
        pytest.raises(SourceUnavailableError, match="<sha256>"),
    ):
        client.read_candles(FILE)


def test_a_published_file_that_is_broken_is_a_broken_contract() -> None:
    wrong = zipped(TEXT, "BTCUSDT-1m-2024-12-31.csv")
    with (
        archive(sent(checksum(FILE, wrong)), sent(wrong)) as (client, _, _),
        pytest.raises(ContractError, match="alone"),
    ):
        client.read_candles(FILE)


def test_a_file_of_another_market_is_refused_before_anything_is_asked() -> None:
    with (
        archive(ABSENT) as (client, script, _),
        pytest.raises(InvalidInputError, match="not of market spot"),
    ):
        client.read_candles(day_file("um"))
    assert script.requests == []
